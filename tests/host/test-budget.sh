#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Budgets, slow retry, back-off and the stable period on a real host: they hold while synd is killed and the host rebooted.
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/event-lib.sh
. "$(dirname "$0")/event-lib.sh"

BUDGET_SPENT=9a4be8d02c7f45a6b3d1f05e6c8a7296 # MESSAGE_ID, see synd(8)

kill_synd() { on systemctl kill --signal=KILL synd.service; }
# How often PID 1 says that it started the unit, whatever synd knows of it.
starts() { on journalctl --quiet --output=cat _PID=1 UNIT="$1.service" MESSAGE_ID=39f53479d3a045ac8e11786248231fbf | grep -c .; }

host_boot
host_install
check 'synd answers' synd_up
unit crashing.service <<'END_OF_UNIT'
[Service]
ExecStart=/bin/false
[X-Synos]
Supervise=yes
RecoveryBudget=5/10min
RecoveryBackoff=500ms..1s
RecoveryJitter=0
RecoverySlowRetry=1s
[Install]
WantedBy=multi-user.target
END_OF_UNIT
unit slow.service <<'END_OF_UNIT'
[Service]
ExecStart=/bin/false
[X-Synos]
Supervise=yes
RecoveryBudget=3/20s
RecoveryBackoff=100ms
RecoveryJitter=0
RecoverySlowRetry=5s
END_OF_UNIT
unit steady.service <<'END_OF_UNIT'
[Service]
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
RecoveryBudget=100/1h
RecoveryBackoff=200ms..10s
RecoveryJitter=0
RecoveryReset=6s
END_OF_UNIT
daemon_reload
control control 2500ms
on systemctl enable --quiet crashing.service

# ---- a crash loop, with synd killed at moments that differ ----
first=$(($(last_seq) + 1))
on systemctl start crashing.service slow.service
since=$first
for type in service.failed recovery.scheduled action.requested action.finished service.starting action.requested \
        recovery.scheduled; do
        # the budget may be spent before all of these have come
        e=$(await_event 30 "$since" crashing.service "$type") || break
        since=$(($(field 'e["seq"]' "$e") + 1))
        kill_synd
done
check 'the budget is spent' await_event 60 "$first" crashing.service recovery.budget-spent
kill_synd
check 'synd is back' synd_up
mark=$(last_seq)
check 'time passes' control_passes control
check_eq 'a spent budget survives another kill' '[]' "$(automatic $((mark + 1)) crashing.service)"
check_eq 'no more than five actions' 5 "$(events_eval 'len(autos)' --since "$first" --service crashing.service)"
check 'nor more starts than that and the first, by what PID 1 says' test "$(starts crashing)" -le 6

# ---- announced ----
e=$(await_event 10 "$first" crashing.service recovery.budget-spent)
check_eq 'the event tells the budget' '(5, 600000000, 1000000)' \
        "$(field '(d["limit"], d["window_usec"], d["slow_retry_usec"])' "$e")"
check_match 'the journal has it' 'crashing.service: .*budget' "$(on journalctl --quiet --output=cat MESSAGE_ID=$BUDGET_SPENT)"
check_match 'status tells the next try' 'Next: restart at .*slow retry: the budget is spent; budget 5/5 in 10min' \
        "$(on synctl status crashing | cat)"
check_eq 'slow retry waits for room in the budget' True "$(events_eval \
        'min(at(e) + e["data"]["delay_usec"] / 1e6 for e in es if e["data"].get("mode") == "slow") > at(autos[0]) + 600 - 1' \
        --since "$first" --service crashing.service)"

# ---- slow retry happens ----
seen=$(events_eval 'es[0]["seq"]' --since "$first" --service slow.service --type recovery.budget-spent)
for n in 1 2; do
        e=$(await_event 60 $((seen + 1)) slow.service action.requested)
        seen=$(field 'e["seq"]' "$e")
        ok "slow retry $n"
done
check_eq 'never more than three in 20 s' 3 "$(events_eval 'most(autos, 20)' --since "$first" --service slow.service)"
check_eq 'and not in a hurry' True "$(events_eval 'at(autos[-1]) - at(autos[-2]) > 4.9' --since "$first" --service slow.service)"
on systemctl stop slow.service

# ---- back-off and the stable period ----
on systemctl start steady.service
since=$(($(last_seq) + 1))
crash() { # ATTEMPT DELAY
        on systemctl kill --signal=KILL steady.service
        e=$(await_event 60 "$since" steady.service recovery.scheduled)
        check_eq "attempt $1 comes after $2 ms" "$1 True" \
                "$(field "d['attempt'], ${2}000 / 2 < d['delay_usec'] <= ${2}000" "$e" | tr -d '(,)')"
        e=$(await_event 60 "$since" steady.service service.recovered)
        since=$(($(field 'e["seq"]' "$e") + 1))
}
crash 1 200
crash 2 400
kill_synd
check 'synd is back' synd_up
crash 3 800
check 'then it is stable' await_event 60 "$since" steady.service recovery.stable
since=$(($(last_seq) + 1))
crash 1 200

# ---- reboot ----
before=$(last_seq)
host_reboot
check 'synd is back after a reboot' synd_up
e=$(await_event 60 $((before + 1)) crashing.service recovery.scheduled)
check_eq 'it failed again, and the budget of before still counts' 'slow 5 True' "$(field \
        "(d['mode'], d['budget_used'], at(e) + d['delay_usec'] / 1e6 > $(events_eval 'at(autos[0])' --since "$first" --service crashing.service) + 599)" \
        "$e" | tr -d "(',)")"
check 'time passes' control_passes control
check_eq 'nothing is done about it' '[]' "$(automatic $((before + 1)) crashing.service)"
check_eq 'never more than five in ten minutes' 5 "$(events_eval 'most(autos, 600)' --since "$first" --service crashing.service)"
check 'nor more starts, by what PID 1 says: the boot made one' test "$(starts crashing)" -le 7
finish

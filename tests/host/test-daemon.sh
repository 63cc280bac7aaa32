#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# synd as a daemon on a real host: start, stop, reload, activation, watchdog, wrong settings, damage. Whatever happens to
# synd, the services it supervises go on, and what it knew it knows again.
. "$(dirname "$0")/../lib/host.sh"

N=org.synos.Supervisor1
M="$N /org/synos/Supervisor1 $N.Manager"

says() { # NAME REGEX COMMAND…: the command's output, errors included, has a line that matches; its status does not matter
        local name=$1 regex=$2 output
        shift 2
        output=$("$@" 2>&1)
        if grep -qE -e "$regex" <<<"$output"; then ok "$name"; else not_ok "$name" "no line matches $regex in:
$output"; fi
}
json() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
service() { on synctl status --json "$1" | json "d$2"; }
service_is() { [ "$(service "$1" "$2")" = "$3" ]; }
state() { on busctl get-property $M State | cut -d '"' -f 2; }
state_is() { [ "$(state)" = "$1" ]; }
status_text() { prop synd.service StatusText; }
status_matches() { status_text | grep -qE -e "$1"; }
# (--after-cursor= with a filter passes over one line too many in systemd 252.)
journal_since() { on journalctl --quiet --output=cat -u synd.service --since="$mark" "$@"; }
mark_journal() { mark=$(on date '+%F %T.%6N'); }
dropin() { unit "synd.service.d/$1.conf"; }
dropin_gone() {
        on rm "/etc/systemd/system/synd.service.d/$1.conf"
        daemon_reload
}
conf() { "$TESTHOST" put "$HOST" - "/etc/synos/synd.conf.d/$1.conf" --mode 644; }
# patient is in the same backoff still: the time is the same, but for microseconds between two clocks.
still_waits() {
        local now
        now=$(service patient '["recovery"]["phase"] + " " + d["recovery"]["due"]')
        python3 -c 'import sys
from datetime import datetime
a, b = (datetime.fromisoformat(t.rstrip("Z")) for t in sys.argv[1:])
sys.exit(abs((a - b).total_seconds()) > 0.5)' "$due" "${now#backoff }"
}
bystanders() { for u in web api; do prop $u.service MainPID; prop $u.service InvocationID; done; }
another_pid() { [ "$(main_pid synd.service)" -gt 0 ] && [ "$(main_pid synd.service)" != "$1" ]; }
back_to_work() { state_is running && service_is web '["status"]' running; }

host_boot
host_install
demo web 'RecoveryBackoff=100ms' 'RecoveryJitter=0' 'RecoveryBudget=100/10min'
demo api
demo patient 'RecoveryBackoff=1h' 'RecoveryJitter=0'
unit gate.service <<'END'
[Service]
ExecStartPre=/bin/sh -c 'mkfifo /run/gate; read x </run/gate; rm /run/gate'
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
END
daemon_reload
on systemctl start web api patient
check 'up' wait_for 20 back_to_work
before=$(bystanders)

# ---- start ----
check_eq 'it tells systemd when it is ready' notify "$(prop synd.service Type)"
check_eq 'its name is known to systemd' $N "$(prop synd.service BusName)"
late=0
for _ in 1 2 3 4 5; do
        on systemctl stop synd.service
        on systemctl start synd.service
        states=$(on synctl list --json | json '" ".join(s["name"] + "=" + s["status"] for s in d)')
        [ "$states" = 'api=running gate=stopped patient=running web=running' ] || late="$late, $states"
done
check_eq 'true states as soon as it is started, five times' 0 "$late"
check_eq 'the status line' 'Supervising 4 services.' "$(status_text)"

on systemctl service-log-level synd.service debug
check_eq 'systemctl service-log-level' debug "$(on systemctl service-log-level synd.service)"
on systemctl service-log-level synd.service info
check_eq 'systemctl service-log-target' auto "$(on systemctl service-log-target synd.service)"

# ---- activation ----
on systemctl stop synd.service
says 'a call of a user starts it and sees true states' '"web.service" "infrastructure" "running"' \
        as alice busctl call $M ListServices
check 'systemd runs it' unit_is synd.service ActiveState=active SubState=running
on systemctl stop synd.service
on systemctl mask --quiet --runtime synd.service
says 'masked: the bus says so' 'synd\.service is masked' as alice busctl call $M ListServices
says 'masked: synctl says what to do' 'masked.*systemctl unmask synd\.service' as alice synctl list
on systemctl unmask --quiet --runtime synd.service
on systemctl start synd.service

# ---- the words for people ----
mark_journal
on systemctl kill --signal=KILL patient.service
check 'it waits for its backoff' wait_for 20 service_is patient '["recovery"]["phase"]' backoff
check 'the status line follows' wait_for 10 status_matches '^Supervising 4 services, 1 failed\.$'
says 'the catalogue explains a line' 'A supervised service has failed' on journalctl --quiet -x -u synd.service
says 'and names the unit' 'synctl why patient\.service' on journalctl --quiet -x -u synd.service
seq=$(on synctl events --json --service patient --type service.failed | tail -n 1 | json 'd["seq"]')
check_eq 'the line has its fields' "service.failed patient.service $seq" \
        "$(journal_since --output=json SYNOS_EVENT=service.failed | tail -n 1 |
                json 'd["SYNOS_EVENT"] + " " + d["SYNOS_UNIT"] + " " + d["SYNOS_SEQ"]')"

# ---- reload ----
due=$(service patient '["recovery"]["due"]')
pid=$(main_pid synd.service)
on timeout 60 synctl start gate >/dev/null 2>&1 &
starter=$!
check 'a job is under way' wait_unit 20 gate.service ActiveState=activating
mark_journal
conf 50-test <<'END'
[Synd]
LogLevel=debug
[Recovery]
Budget=7/10min
Backoff=nonsense
[EventLog]
MaxSize=64M
HardMaxSize=32M
END
check 'reload' on systemctl reload synd.service
check 'a new value is in force' wait_for 10 service_is patient '["recovery"]["budget"]["limit"]' 7
says 'the log level too' debug on systemctl service-log-level synd.service
says 'a bad line is told with its place' '/etc/synos/synd\.conf\.d/50-test\.conf:5: .*' journal_since
says 'one about the whole file without' '50-test\.conf: HardMaxSize= is below' journal_since
says 'synctl config shows it' '50-test\.conf:5' on synctl config
says 'doctor shows the one about the whole file' '50-test\.conf: HardMaxSize=' on synctl doctor
check_eq 'the same process' "$pid" "$(main_pid synd.service)"
check 'the backoff goes on' still_waits
check 'the job is not disturbed' unit_is gate.service ActiveState=activating
on sh -c 'echo >/run/gate'
wait $starter
check_eq 'who waited for it is told' 0 $?
check 'systemd saw the reload begin and end' on timeout 20 bash -c '
        exec 3< <(exec busctl monitor --json=short \
                --match "type=signal,path=/org/freedesktop/systemd1/unit/synd_2eservice" 2>&1)
        trap "kill $!" EXIT
        until_line() { while read -r -t 1 line <&3; do [[ $line == *$1* ]] && return; done; return 1; }
        # again, if the first came before the monitor listened
        for i in 1 2 3 4 5; do kill -HUP "$1"; until_line "\"reloading\"" && break; done
        until_line "\"SubState\":{\"type\":\"s\",\"data\":\"running\"}"' bash "$pid"
on rm /etc/synos/synd.conf.d/50-test.conf
on systemctl reload synd.service
check 'the old value again' wait_for 10 service_is patient '["recovery"]["budget"]["limit"]' 5

# ---- a restart, and an end that it does not see coming ----
on systemctl restart synd.service
check 'the backoff outlives a restart' still_waits
pid=$(main_pid synd.service)
on kill -9 "$pid"
check 'systemd starts it again' wait_for 20 another_pid "$pid"
check 'and it works' wait_for 20 back_to_work
check_eq 'the services did not notice' "$before" "$(bystanders)"

# ---- the watchdog ----
dropin watchdog <<<$'[Service]\nWatchdogSec=3s'
daemon_reload
on systemctl restart synd.service
pid=$(main_pid synd.service)
mark_journal
on kill -STOP "$pid"
victim=$(prop web.service InvocationID)
on systemctl kill --signal=KILL web.service
check 'a hanging synd is ended and started again' wait_for 20 another_pid "$pid"
says 'by its watchdog' 'Watchdog timeout' on journalctl --quiet --output=cat --unit=synd.service
check 'the service that failed meanwhile is recovered' wait_unit 20 web.service ActiveState=active
check 'and seen' wait_for 20 back_to_work
check_eq 'its failure is in the log once' 1 "$(on synctl events --json --service web --type service.failed | grep -c "$victim")"
check_eq 'no number twice, none out of order' ordered "$(on synctl events --json --limit 1000 |
        python3 -c 'import json, sys
s = [json.loads(line)["seq"] for line in sys.stdin]
print("ordered" if s and s == sorted(set(s)) else s)')"
dropin_gone watchdog
on systemctl restart synd.service

# ---- wrong settings ----
dropin wrong <<<$'[Service]\nEnvironment=SYNOS_LOG_LEVEL=nonsense'
daemon_reload
mark_journal
check_fails 'a wrong environment: no start' on systemctl restart synd.service
check 'not tried again' unit_is synd.service ActiveState=failed SubState=failed NRestarts=0 ExecMainStatus=78
says 'the journal says why' 'Environment variable SYNOS_LOG_LEVEL is not a log level .*"nonsense"' journal_since
says 'systemctl status says why' 'SYNOS_LOG_LEVEL is not a log level' on systemctl status synd.service
says 'synctl does not wait for it' 'synd is not running.*systemctl status synd\.service' on timeout 5 synctl list
dropin wrong <<<$'[Service]\nEnvironment=SYNOS_REDIS_PASSWORD=tell-nobody SYNOS_DATABASE_URL=postgresql://u:tell-nobody@h/d'
daemon_reload
on systemctl start synd.service
check_match 'Dump works' 'durable_seq' "$(on busctl call $M Dump)"
check_eq 'Dump has no secrets' 0 "$(on busctl call $M Dump | grep -c tell-nobody)"
dropin_gone wrong

dropin blind <<<$'[Service]\nSupplementaryGroups='
daemon_reload
on systemctl restart synd.service
check_eq 'without the journal it is degraded' degraded "$(state)"
says 'and says why' 'journal cannot be read: Permission denied' on busctl get-property $M StateReasons
check 'also in the status line' wait_for 10 status_matches '^Degraded: journal cannot be read'
victim=$(prop web.service InvocationID)
on systemctl kill --signal=KILL web.service
renewed() { unit_is web.service ActiveState=active && [ "$(prop web.service InvocationID)" != "$victim" ]; }
check 'and supervises all the same' wait_for 20 renewed
dropin_gone blind
on systemctl restart synd.service

# ---- by hand ----
pid=$(main_pid synd.service)
says 'a second one, as root' 'never runs as root.*synd\.service' on synd
says 'a second one, as its user' 'events\.db is in use.*another synd is running' on runuser -u synd -- synd
says 'as a user' 'events\.db: Permission denied.*systemctl start synd\.service' as alice synd
check_eq 'the first is not disturbed' "$pid running" "$(main_pid synd.service) $(state)"
says '--help' '^synd \[OPTIONS' on synd --help
says '--version' '^synd [0-9.]+$' on synd --version
on runuser -u synd -- synd --nonsense >/dev/null 2>&1
check_eq 'an unknown option' 64 $?

# ---- stop ----
on systemctl stop synd.service
check_eq 'it stops well' success "$(prop synd.service Result)"
on systemctl start synd.service
check_eq 'its stop is the last that was recorded' 'synd.stopped synd.started' "$(on synctl events --json --limit 1000 |
        python3 -c 'import json, sys
t = [json.loads(line)["type"] for line in sys.stdin]
i = len(t) - 1 - t[::-1].index("synd.started")
print(t[i - 1], t[i])')"

# ---- damage ----
on systemctl stop synd.service
on dd if=/dev/urandom of=/var/lib/synos/events.db bs=4096 count=4 conv=notrunc status=none
mark_journal
check 'it starts on a damaged log' on systemctl start synd.service
says 'and says so' 'event log was damaged; it is kept as /var/lib/synos/events\.db\.damaged-' journal_since
check 'the damaged file is kept' on sh -c 'test -s /var/lib/synos/events.db.damaged-*'
says 'doctor tells it' 'was damaged.*events\.db\.damaged-' on synctl doctor
check 'it works' wait_for 20 back_to_work

# ---- full ----
on systemctl stop synd.service
on mount -t tmpfs -o size=4m,mode=750,uid=synd,gid=synd tmpfs /var/lib/synos
on systemctl start synd.service
on sh -c 'cat /dev/zero >/var/lib/synos/filler' 2>/dev/null
log_fills() { on busctl call $M Reload >/dev/null && state_is degraded; }
check 'a full disk: degraded' wait_for 30 log_fills
check 'the status line says why' wait_for 10 status_matches '^Degraded: event log cannot be written: No space left'
victim=$(prop web.service InvocationID)
on systemctl kill --signal=KILL web.service
check 'recovery goes on' wait_for 20 renewed
SECONDS=0
on systemctl stop synd.service
check 'it stops in time' test $SECONDS -lt 20
check_eq 'by itself' success "$(prop synd.service Result)"
on umount /var/lib/synos
on systemctl start synd.service
check 'it works again' wait_for 20 back_to_work
check_eq 'the bus never had to refuse it anything' '' \
        "$(on journalctl --quiet --output=cat --grep='Rejected.*/usr/sbin/synd' | head -n 3)"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# synctl on a real host: names, exit statuses, words, grants, live streams, and what it says when things are wrong.
. "$(dirname "$0")/../lib/host.sh"

host_boot
host_install
out='' err='' rc=0

# Runs synctl (as root, or as the user $who) and keeps its output and status.
who=''
ctl() {
        local file
        file=$(mktemp)
        rc=0
        if [ -n "$who" ]; then
                out=$(as "$who" synctl "$@" 2>"$file") || rc=$?
        else
                out=$(on synctl "$@" 2>"$file") || rc=$?
        fi
        err=$(cat "$file")
        rm -f "$file"
}
# ctl_is STATUS NAME ARGS…: the status is that; else all is shown
ctl_is() {
        local want=$1 name=$2
        shift 2
        ctl "$@"
        if [ "$rc" -eq "$want" ]; then ok "$name"; else not_ok "$name" "status $rc, not $want
$out
$err"; fi
}
# A line of the text matches.
line_matches() {
        if grep -qE -e "$2" <<<"$3"; then ok "$1"; else not_ok "$1" "no line matches $2 in:
$3"; fi
}
says() { line_matches "$1" "$2" "$out"; }
complains() { line_matches "$1" "$2" "$err"; }
json() { python3 -c 'import json, sys; d = json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$out" "$1"; }
status_is() { [ "$(on synctl list --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["status"])')" = "$2" ]; }

check 'synd answers' wait_for 20 on synctl list
demo db 'Type=infrastructure'
unit web.service <<'END'
[Unit]
Description=Demo web
Requires=db.service
After=db.service
[Service]
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
Type=integration
Bogus=1
END
unit broken.service <<'END'
[Service]
Type=oneshot
ExecStart=/bin/false
[X-Synos]
Supervise=yes
Recovery=none
END
unit slow.service <<'END'
[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'until [ -e /run/slow-go ]; do read -t 0.1 _ </dev/zero; done; systemd-notify --ready; exec sleep infinity'
[X-Synos]
Supervise=yes
END
unit plain.service <<'END'
[Service]
ExecStart=/bin/sleep infinity
[Install]
Alias=other-name.service
END
unit 'inst@.service' <<'END'
[Service]
ExecStart=/bin/sleep infinity
END
daemon_reload
on systemctl enable -q plain.service
on systemctl start db web
wait_for 20 status_is web running

# ---- looking ----
ctl_is 0 'list' list
says 'list: a running service' '^● web +integration +running +1\.00'
says 'list: the summary' '^4 services: 2 running, 2 stopped\.$'
check_eq 'no escape sequences off a terminal' '' "$(printf %s "$out" | tr -dc '\033')"
ctl_is 0 'list without a verb' --no-legend
check_eq 'no legend' 4 "$(printf '%s\n' "$out" | wc -l)"
ctl_is 0 'list by pattern, as JSON' list --json 'w*' 'db.serv*'
check_eq 'JSON of list' "['db', 'web']" "$(json '[s["name"] for s in d]')"
ctl_is 0 'a pattern without a match is an empty list' list --json 'nothing-*'
check_eq 'empty JSON' '[]' "$out"
for name in web web.service; do
        ctl_is 0 "is-active $name" is-active "$name"
        check_eq "$name is active as systemctl says" "$(on systemctl is-active web)" "$out"
done
ctl_is 3 'is-active of a stopped one' is-active broken
ctl_is 4 'is-active of an unknown one' is-active -q nobody
check_eq 'quiet' '' "$out"
ctl_is 1 'is-failed of a good one' is-failed web
ctl_is 0 'status' status web
says 'status: why' 'Status: running since .* health 1\.00'
says 'status: the grant and its line' 'Granted: .*/etc/systemd/system/web\.service:8'
says 'status: a bad line with file and line' "Config: /etc/systemd/system/web\.service:10 .*Bogus"
says 'status: neighbours' 'Deps: needs db; needed by -'
says 'status: the journal' 'systemd\[1\]: Started web\.service'
ctl_is 3 'status of a stopped one' status broken
ctl_is 4 'status of an unknown one' status wbe
complains 'a slip is met with the right name' 'Did you mean web\?'
ctl_is 0 'cat' cat web
says 'cat: field with origin' 'Type +integration +/etc/systemd/system/web\.service:9'
ctl_is 0 'deps' deps web
says 'deps: the tree' '└─● db +requires'
ctl_is 0 'deps for graphviz' deps --dot
says 'graphviz' '"web\.service" -> "db\.service"'
ctl_is 0 'logs' logs web --no-pager -n 5
says 'logs: journalctl' 'Started web\.service'
ctl_is 0 'config' config
says 'config' 'Recovery\.Budget +5/10min'
ctl_is 0 'version' version
check_eq 'both versions' 2 "$(printf '%s\n' "$out" | grep -Ec '^(synctl|synd) [0-9]')"

# ---- mistakes ----
ctl_is 2 'unknown verb' restrat web
complains 'unknown verb: the right one' "Did you mean 'restart'\?"
ctl_is 2 'unknown option' list --jsno
ctl_is 2 'option of another verb' list --dot
ctl_is 2 'missing argument' restart
ctl_is 4 'why of nothing' why 99999999
ctl_is 4 'why of an unknown action' why 01910000-0000-7000-8000-000000000000

# ---- acting ----
before=$(main_pid web)
ctl_is 0 'restart waits for the result' restart web
check 'there is a new process' test "$before" != "$(main_pid web)"
ctl_is 1 'a failing start is a failure' start broken
complains 'and says why and what next' 'The start of broken failed: .* See: synctl why broken'
ctl_is 0 'is-failed tells the same' is-failed broken
ctl_is 0 'reset-failed' reset-failed broken
check 'systemd agrees' unit_is broken.service ActiveState=inactive
ctl_is 0 'several at once' restart web db --json
check_eq 'JSON of actions' "['done', 'done']" "$(json '[a["result"] for a in d]')"
ctl_is 4 'a slip in one name: none is touched' stop web dbb
check 'web still runs' unit_is web.service ActiveState=active
ctl_is 0 'check' check web
on sh -c 'timeout --preserve-status -s INT 3 synctl start slow 2>/run/interrupted; echo $? >>/run/interrupted'
line_matches 'Ctrl-C leaves the job' 'The start of slow goes on' "$(on cat /run/interrupted)"
line_matches 'with a status of its own' '^130$' "$(on tail -n 1 /run/interrupted)"
check 'it is still starting' unit_is slow.service ActiveState=activating
ctl_is 6 'one action at a time' restart slow
complains 'and says what is under way' 'Cannot restart slow: .*start'
on touch /run/slow-go
check 'and the job ends well' wait_unit 20 slow.service ActiveState=active
on rm /run/slow-go
check 'the first is over' wait_for 20 on synctl restart --no-block slow
check 'no-block returned at once' wait_unit 20 slow.service ActiveState=activating
on touch /run/slow-go
check 'and this job ends well' wait_unit 20 slow.service ActiveState=active
check 'stop, once the restart is over' wait_for 20 on synctl stop slow
check 'stopped' unit_is slow.service ActiveState=inactive

ctl_is 0 'maintenance on' maintenance on --for 1h web
ctl list web
says 'list shows it' 'in maintenance'
on systemctl kill -s KILL web.service
check 'it fails' wait_unit 10 web.service ActiveState=failed
ctl_is 3 'status in maintenance' status web
says 'status tells the mode' 'Mode: in maintenance until .* by root'
ctl_is 0 'maintenance off' maintenance off web --json
check_eq 'maintenance as JSON' "[('web', False)]" "$(json '[(m["name"], m["maintenance"]) for m in d]')"
check 'then it is recovered' wait_unit 20 web.service ActiveState=active
ctl_is 2 'maintenance wants a span' maintenance on web --for soon

# ---- events and why ----
last=$(on synctl events --limit 1 --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["seq"])')
on systemctl kill -s KILL web.service
check 'recovered' wait_for 20 status_is web running
check 'told' wait_for 20 on sh -c "synctl events --since $last --service web --type action.finished | grep -q done"
ctl_is 0 'events since a number' events --since "$((last + 1))" --service web --json
check_eq 'numbers grow, one service' True \
        "$(out="[$(printf '%s' "$out" | paste -sd,)]" json '[e["seq"] for e in d] == sorted(e["seq"] for e in d) and {e["service"] for e in d} == {"web"} and len(d) > 3')"
ctl_is 0 'events by type' events --type service.failed --limit 1
says 'an event is a line' 'service\.failed +web +failed.*SIGKILL'
ctl_is 0 'events of the last hour' events --since -1h
ctl_is 2 'events of no time' events --since whenever
ctl_is 0 'why' why web
says 'why: the act' '(start|restart) done'
says 'why: the failure' 'SIGKILL'
says 'why: the rule, or the end' 'chain: [0-9]+ records, from the first observation on'
ctl_is 0 'why as JSON' why --json web
check_eq 'each is caused by the one before' True \
        "$(json 'all(a["seq"] == b["cause_seq"] for a, b in zip(d["chain"], d["chain"][1:])) and "cause_seq" not in d["chain"][0]')"

on sh -c 'synctl events -f --json --since 1 >/run/stream 2>/run/stream.err & echo $! >/run/stream.pid'
check 'follow begins' wait_for 20 on grep -q 'service.recovered' /run/stream
on systemctl kill -s KILL synd.service
check 'synd comes back' wait_for 30 on grep -q 'synd is back; going on after event' /run/stream.err
line_matches 'its absence is told' 'synd went away' "$(on cat /run/stream.err)"
on systemctl kill -s KILL db.service
check 'and the stream goes on' wait_for 30 on sh -c 'tail -n 20 /run/stream | grep -q "service.recovered.*db.service\|db.service.*service.recovered"'
on sh -c 'kill $(cat /run/stream.pid)'
out="[$(on cat /run/stream | paste -sd,)]"
check_eq 'no event twice, none missing' True \
        "$(json '[e["seq"] for e in d if "seq" in e] == list(range(d[0]["seq"], d[-1]["seq"] + 1)) and not [e for e in d if e.get("type") == "gap"]')"

# ---- which services ----
ctl_is 0 'register' register --json plain Type=batch
check_eq 'register as JSON' '/org/synos/Supervisor1/service/plain' "$(json 'd["object"]')"
ctl list plain
says 'registered is observed' 'plain +batch .*not granted'
ctl_is 6 'not granted is refused' restart plain
complains 'with the remedy' 'Cannot restart plain: it is not granted\. .*synctl adopt plain\.service$'
ctl_is 0 'adopt by an alias' adopt other-name
complains 'adopt says which' 'other-name\.service is another name of plain\.service'
complains 'adopt says what it wrote' 'Wrote /etc/systemd/system/plain\.service\.d/50-synos\.conf'
complains 'and what synd makes of it' 'synd supervises plain and may act on it'
ctl_is 0 'now it may' restart plain
ctl_is 0 'adopt again changes nothing' adopt plain --json
complains 'and says so' 'adopted already'
check_eq 'adopt as JSON' "('plain.service', False)" "$(json '(d[0]["unit"], d[0]["changed"])')"
ctl_is 0 'adopt with fields' adopt plain --set RecoveryBudget=2/1min
ctl cat plain
says 'the field is in force' 'RecoveryBudget +2/1min +/etc/systemd/system/plain\.service\.d/50-synos\.conf:4'
ctl_is 2 'a slip in a key of --set' adopt plain --set RecoveryBuget=2/1min
complains 'is told before anything is written' "unknown key 'RecoveryBuget'\. Nothing was written"
ctl_is 2 'a slip in a value of --set' adopt plain --set RecoveryBudget=banana
check_eq 'the drop-in is as it was' 1 "$(on grep -c 'RecoveryBudget=2/1min' /etc/systemd/system/plain.service.d/50-synos.conf)"
ctl_is 2 'no path' adopt /etc/systemd/system/plain.service
complains 'but the name in it' 'Give the name of the unit, not a path: plain\.service$'
ctl_is 4 'unregister what only files declare' unregister web
complains 'says that it is known' 'nothing was registered for it at run time'
ctl_is 2 'no smuggling of lines' adopt plain --set $'Type=x\n[Service]'
ctl_is 0 'unregister' unregister plain
ctl_is 0 'release' release plain
complains 'release says what' 'Removed /etc/systemd/system/plain\.service\.d/50-synos\.conf'
check_fails 'the file is gone' on test -e /etc/systemd/system/plain.service.d
ctl_is 4 'synd forgot it' status plain
ctl_is 4 'nothing to release' release plain
ctl_is 4 'release of what adopt did not write' release web
ctl_is 6 'no socket' adopt systemd-journald.socket
ctl_is 6 'nothing protected' adopt dbus
ctl_is 4 'nothing unknown' adopt nobody
on rm -f /etc/systemd/system/slow.service
on ln -s /dev/null /etc/systemd/system/slow.service
daemon_reload
ctl_is 6 'nothing masked' adopt slow
ctl_is 0 'a template' adopt inst@.service
on systemctl start inst@one.service
check 'its instances are granted' wait_for 20 on synctl restart inst@one
on systemctl start 'inst@a\x2db.service'
check 'also one with an escaped name' wait_for 20 on synctl restart 'inst@a\x2db'
on mkdir -p /etc/systemd/system/db.service.d
on sh -c 'echo "[Service]" >/etc/systemd/system/db.service.d/50-synos.conf'
ctl_is 6 'a foreign file is left alone' adopt db
complains 'and named' '/etc/systemd/system/db\.service\.d/50-synos\.conf exists and was not written by synctl adopt'
ctl_is 6 'release leaves it too' release db
ctl_is 0 'unless forced' adopt --force db
complains 'even then it is said' 'Replacing .*db\.service\.d/50-synos\.conf'
ctl_is 0 'release where the unit file grants too' release db
complains 'says where the grant still comes from' 'still granted: .*/etc/systemd/system/db\.service'

# ---- other people ----
who=alice
ctl_is 0 'everybody may look' list
ctl_is 0 'and ask' is-active web
ctl_is 5 'not everybody may act' restart web
complains 'that is said with a remedy' 'Cannot restart web: .*(sudo|polkit|as root)'
ctl_is 5 'nor adopt' adopt plain
ctl status web
says 'the journal needs a permission' 'systemd-journal'
who=''

# ---- doctor ----
ctl_is 0 'doctor' doctor
says 'doctor: the grant helper' '^ok +The grant helper and synd agree'
says 'doctor: polkit was tried' '^ok +polkit lets synd act on'
says 'doctor: a bad line with its place' '^warn +/etc/systemd/system/web\.service:10: .*Bogus'
ctl_is 0 'doctor as JSON' doctor --json
check_eq 'no failures' 0 "$(json 'd["failures"]')"
on mv /usr/share/polkit-1/rules.d/50-synos.rules /root/
ctl_is 1 'doctor finds a missing rule' doctor --quiet
says 'and names it' '^FAIL +The polkit rule /usr/share/polkit-1/rules\.d/50-synos\.rules is missing'
on mv /root/50-synos.rules /usr/share/polkit-1/rules.d/

# ---- on a terminal ----
# shellcheck disable=SC2016 # the host's shell expands it
terminal() { on sh -c 'printf "$1" | TERM=xterm LC_ALL=C.UTF-8 COLUMNS=80 LINES=24 timeout 20 script -qec "$2" /dev/null' sh "$1" "$2"; }
line_matches 'colour on a terminal' $'\033\\[0;1;32m●' "$(terminal '' 'synctl list')"
check_eq 'NO_COLOR' '' "$(terminal '' 'NO_COLOR=1 synctl list' | tr -dc '\033')"
line_matches 'ASCII in another locale' '^\* web ' "$(terminal '' 'LC_ALL=C NO_COLOR=1 synctl list' | grep web)"
check_eq 'no line wider than the terminal' '' "$(terminal '' 'NO_COLOR=1 synctl list' | tr -d '\r' | grep -E '^.{81,}')"
check_match 'top draws and leaves' $'\033\\[\\?1049h.*synctl top.*\033\\[\\?1049l' "$(terminal 'jks?qq' 'synctl top' | tr '\n' ' ')"
line_matches 'top without a terminal' '^. web ' "$(on synctl top --no-legend | grep web)"

# ---- completion ----
# shellcheck disable=SC2016 # the host's shell expands it
complete() {
        on bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/synctl
                COMP_LINE=$*; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _synctl
                echo "${COMPREPLY[*]}"' bash "$@"
}
check_eq 'bash completes verbs' 'restart' "$(complete synctl resta)"
check_eq 'bash completes services' 'web' "$(complete synctl restart w)"
check_eq 'bash completes options' '--follow' "$(complete synctl events --fo)"

# ---- without synd ----
on systemctl stop synd.service
ctl_is 7 'synd is not there' list
complains 'how to start it' 'synd is not running\. As root: systemctl start synd\.service'
ctl_is 7 'is-active says so too' is-active web
check 'asking did not start it' unit_is synd.service ActiveState=inactive
ctl_is 1 'doctor without synd' doctor
says 'doctor: the remedy' 'systemctl start synd\.service'
ctl_is 0 'version without synd' version
says 'version' 'synd not reachable'
check 'services run on' unit_is web.service ActiveState=active
finish

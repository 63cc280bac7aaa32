#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What people may do through synd (synd(8)): everybody reads; who may act is polkit's answer; what nobody may touch, not
# even root. Each by raw busctl and by synctl, with the same verdict; and what a user's flood of calls does.
. "$(dirname "$0")/../lib/host.sh"

N=org.synos.Supervisor1
M="$N /org/synos/Supervisor1 $N.Manager"
LOG_CONTROL=/org/freedesktop/LogControl1
SERVICE=$N.Service
SECRET=word-in-the-journal-7431
out='' verdict='' text='' rc=0

person() { # USER CMD…: in the host as that user; quicker than a unit of its own
        if [ "$1" = root ]; then
                on "${@:2}"
        else
                on setpriv --reuid="$1" --regid="$(on id -g "$1")" --init-groups "${@:2}"
        fi
}
# Sets $verdict to "ok" or the name of the error without its prefix, $text to its message.
raw() { # USER BUSCTL-ARGS…
        verdict=ok text=''
        out=$(person "$1" env SYSTEMD_LOG_LEVEL=debug busctl --timeout=20 "${@:2}" 2>&1) && return
        verdict=$(sed -n 's/^Got message type=error .*error-name=\([^ ]*\) .*/\1/p' <<<"$out" | tail -n 1)
        text=$(sed -n 's/^Got message type=error .*error-message=//p' <<<"$out" | tail -n 1)
        verdict=${verdict#org.synos.Supervisor1.Error.}
}
path() { printf '/org/synos/Supervisor1/service/%s' "$1"; }
act() { raw "$1" call "$N" "$(path "$2")" "$SERVICE" "${@:3}"; } # USER SERVICE METHOD [ARGS…]
manager() { raw "$1" call "$N" /org/synos/Supervisor1 "$N.Manager" "${@:2}"; } # USER METHOD [ARGS…]
ctl() { # USER ARGS…: synctl; $rc and both outputs in $out
        rc=0
        out=$(person "$1" synctl "${@:2}" 2>&1) || rc=$?
}
status_of() { # the exit status by which synctl tells this verdict
        case $1 in
        ok) echo 0 ;;
        Denied | AuthorizationRequired) echo 5 ;;
        Protected | NotGranted) echo 6 ;;
        *) echo "no status for '$1'" ;;
        esac
}
# verb_is VERDICT REGEX USER SERVICE METHOD VERB: by both ways; the regex is for the text of a refusal.
verb_is() {
        local name="$3: $6 $4: $1"
        act "$3" "$4" "$5"
        if [ "$verdict" != "$1" ] || ! grep -qE -e "$2" <<<"$text"; then
                not_ok "$name" "by busctl: $verdict: $text"
                return
        fi
        ctl "$3" "$6" "$4"
        if [ "$rc" != "$(status_of "$1")" ] || ! grep -qE -e "$2" <<<"$out"; then
                not_ok "$name" "by synctl: status $rc: $out"
                return
        fi
        ok "$name"
}
verbs='Start start
Stop stop
Restart restart
Reload reload
ResetErrors reset-failed
Check check'
refused() { # NAME VERDICT REGEX: what raw just did
        if [ "$verdict" = "$2" ] && grep -qE -e "$3" <<<"$text"; then
                ok "$1: $2"
        else
                not_ok "$1: $2" "$verdict: $text"
        fi
}
ctl_refused() { # STATUS REGEX USER ARGS…
        ctl "${@:3}"
        if [ "$rc" = "$1" ] && grep -qE -e "$2" <<<"$out"; then
                ok "synctl ${*:4}: status $1"
        else
                not_ok "synctl ${*:4}: status $1" "$rc: $out"
        fi
}
value() { on busctl get-property "$N" "$(path "$1")" "$SERVICE" "$2"; }
is() { [ "$(value "$1" "$2")" = "$3" ]; }
verdict_is() { # VERDICT USER SERVICE METHOD
        act "${@:2}"
        [ "$verdict" = "$1" ]
}
rule() { "$TESTHOST" put "$HOST" - /etc/polkit-1/rules.d/10-test.rules --mode 644; }
last_seq() { on synctl events --limit 1 --json "$@" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["seq"])'; }

host_boot
host_install
for u in web other; do
        unit $u.service <<-TEXT
	[Service]
	ExecStartPre=/bin/echo $SECRET
	ExecStart=/bin/sleep infinity
	ExecReload=/bin/true
	[X-Synos]
	Supervise=yes
	RecoveryBackoff=0
	RecoveryBudget=100/1min
	TEXT
done
demo holy 'Protected=yes'
demo by-conf
for u in plain late; do unit $u.service <<<$'[Service]\nExecStart=/bin/sleep infinity'; done
on sh -c 'mkdir -p /etc/synos/synd.conf.d; printf "[Synd]\nProtectedUnits=by-c*.service\n" >/etc/synos/synd.conf.d/test.conf'
daemon_reload
on systemctl reload synd.service
on systemctl start web other holy by-conf plain
conf=by_2dconf # as a name in a path
check 'synd sees them' wait_for 20 is web Status 's "running"'
check 'and the list of synd.conf' wait_for 20 is $conf Protected 'b true'

diag '--- everybody reads'
manager alice ListServices
check_eq 'ListServices' ok "$verdict"
manager alice GetService s web
check_eq 'GetService' ok "$verdict"
manager alice Describe s web.service
check_eq 'Describe' ok "$verdict"
manager alice DescribeMany as 2 web holy
check_eq 'DescribeMany' ok "$verdict"
manager alice ListActions
check_eq 'ListActions' ok "$verdict"
manager alice ListEvents tus 0 0 '{"services":["web"]}'
check_eq 'ListEvents' ok "$verdict"
manager alice Follow ts 0 ''
check_eq 'Follow' ok "$verdict"
seq=$(last_seq --service web)
manager alice Explain s "$seq"
check_eq 'Explain' ok "$verdict"
manager alice Dump
check_eq 'Dump' ok "$verdict"
manager alice CheckLog
check_eq 'CheckLog' ok "$verdict"
raw alice call "$N" "$(path web)" org.freedesktop.DBus.Properties GetAll s "$SERVICE"
check_eq 'all properties' ok "$verdict"
raw alice call "$N" /org/synos/Supervisor1 org.freedesktop.DBus.ObjectManager GetManagedObjects
check_eq 'all objects' ok "$verdict"
raw alice get-property "$N" $LOG_CONTROL org.freedesktop.LogControl1 LogLevel
check_eq 'the log level' ok "$verdict"
for args in list 'status web' 'is-active web' 'cat web' 'deps web' 'events --service web' "why $seq" config version \
        'top --no-legend'; do
        # shellcheck disable=SC2086 # words
        ctl alice $args
        check_eq "synctl $args" 0 "$rc"
done
check_match 'synctl events --follow' '"type":"service\.' \
        "$(person alice sh -c 'timeout 5 synctl events --follow --json --since 0 2>&1 | head -n 5')"

diag '--- but not the journal'
check 'the word is in the journal' wait_journal 10 $SECRET -u web.service
everything=''
for call in 'Describe s web' 'ListEvents tus 0 0 {}' "Explain s $seq" Dump ListActions; do
        # shellcheck disable=SC2086 # words
        manager alice $call
        check_eq "read again: $call" ok "$verdict"
        everything+=$out
done
ctl alice status web
everything+=$out
check_fails 'no line of the journal is in all that' grep -q $SECRET <<<"$everything"
check_match 'synctl status says what it takes' 'systemd-journal' "$out"
ctl root status web
check_match 'root sees it there' $SECRET "$out"

diag '--- nobody but root acts without a rule'
invocation=$(prop web.service InvocationID)
last=$(last_seq)
while read -r method verb; do
        verb_is AuthorizationRequired 'as root' alice web "$method" "$verb"
done <<<"$verbs"
act alice web SetMaintenance bt true 0
refused 'SetMaintenance' AuthorizationRequired 'as root'
manager alice Register ss plain.service '{}'
refused 'Register' AuthorizationRequired 'as root'
manager alice Unregister s web
refused 'Unregister' AuthorizationRequired 'as root'
manager alice Reload
refused 'Reload of synd' AuthorizationRequired 'as root'
for property in 'LogLevel s debug' 'LogTarget s console'; do
        # shellcheck disable=SC2086 # words
        raw alice set-property "$N" $LOG_CONTROL org.freedesktop.LogControl1 $property
        refused "$property" AuthorizationRequired 'as root'
done
raw alice set-property "$N" "$(path web)" "$SERVICE" Granted b true
refused 'a property that only shows' org.freedesktop.DBus.Error.PropertyReadOnly .
for args in 'maintenance on web' 'register plain' 'unregister web' 'adopt plain' 'release web'; do
        # shellcheck disable=SC2086 # words
        ctl_refused 5 '(as|As) root|sudo' alice $args
done
check_eq 'the service was not touched' "$invocation" "$(prop web.service InvocationID)"
check_eq 'nor set to maintenance' 'b false' "$(value web Maintenance)"
check_eq 'nor is a request in the log' '' "$(on synctl events --since "$((last + 1))" --type user.request --no-legend)"

diag '--- a rule for one unit and one verb gives just that'
rule <<'END'
polkit.addRule(function (action, subject) {
    if (action.id == "org.synos.supervisor1.manage-services" &&
        action.lookup("unit") == "web.service" &&
        action.lookup("verb") == "restart" && subject.user == "alice")
        return polkit.Result.YES;
});
END
check 'the rule works' wait_for 10 verdict_is ok alice web Restart
while read -r method verb; do
        for service in web other; do
                [ "$service $verb" = 'web restart' ] || verb_is AuthorizationRequired 'as root' alice $service "$method" "$verb"
        done
done <<<"$verbs"
invocation=$(prop web.service InvocationID)
check 'and synctl restart web' wait_for 20 person alice synctl restart web
check_fails 'it is another invocation' test "$invocation" = "$(prop web.service InvocationID)"
act alice web SetMaintenance bt true 0
refused 'not maintenance' AuthorizationRequired 'as root'
manager alice Reload
refused 'not the configuration' AuthorizationRequired 'as root'
act nobody web Restart
refused 'not another user' AuthorizationRequired 'as root'

diag '--- a rule that says no is told as such'
rule <<'END'
polkit.addRule(function (action, subject) {
    if (action.id.indexOf("org.synos.supervisor1.") == 0 && subject.user == "alice")
        return polkit.Result.NO;
});
END
check 'the rule works' wait_for 10 verdict_is Denied alice web Restart
verb_is Denied 'sudo.*polkit rule' alice web Stop stop

diag '--- what nobody may touch, though polkit allows everything'
rule <<'END'
polkit.addRule(function (action, subject) {
    if (action.id.indexOf("org.synos.supervisor1.") == 0)
        return polkit.Result.YES;
});
END
check 'the rule works' wait_for 10 verdict_is ok alice web Check
manager root Register ss plain.service '{}'
check_eq 'root registers a unit without a grant' ok "$verdict"
manager alice Register ss dbus.service '{}'
check_eq 'alice, whom polkit allows it, registers the bus itself' ok "$verdict"
check 'it is observed' wait_for 20 is dbus Status 's "running"'
pids() { for u in holy by-conf plain dbus; do main_pid $u.service; done; }
before=$(pids)
while read -r method verb; do
        [ "$verb" != check ] || continue # it only looks
        for who in root alice; do
                verb_is Protected 'unit file says Protected=yes.*systemctl' $who holy "$method" "$verb"
                verb_is Protected 'built-in list.*systemctl' $who dbus "$method" "$verb"
                verb_is NotGranted 'synctl adopt plain\.service' $who plain "$method" "$verb"
                act $who $conf "$method"
                refused "$who: $verb by-conf" Protected 'ProtectedUnits= of synd\.conf.*systemctl'
                ctl_refused 6 'ProtectedUnits= of synd\.conf.*systemctl' $who "$verb" by-conf
        done
done <<<"$verbs"
manager root Register ss plain.service '{"Supervise":"yes"}'
refused 'a grant cannot be registered' NotGranted 'unit file'
manager root Register ss holy.service '{"Protected":"no"}'
refused 'nor a protection be taken away' NotGranted 'unit file'
check_eq 'they run undisturbed' "$before" "$(pids)"

diag '--- a grant counts within a second of daemon-reload'
# In the host, as root: $1 is whether late.service will be granted; prints the milliseconds until synd says so and acts
# accordingly, from the end of daemon-reload on.
# shellcheck disable=SC2016 # the host's shell expands it
watch='
        shown() { synctl status late 2>&1 | grep -q "Granted: .*/etc/systemd/system/late" && echo yes || echo no; }
        acts() { synctl restart late >/dev/null 2>&1 && echo yes || echo no; }
        now() { date +%s%3N; }
        eval "$2"
        systemctl daemon-reload
        t0=$(now)
        until [ "$(shown)$(acts)" = "$1$1" ]; do
                [ $(($(now) - t0)) -lt 20000 ] || exit 98
        done
        echo $(($(now) - t0))'
drop_in=/etc/systemd/system/late.service.d/synos.conf
# The second is ours to keep, not the machine's when it is overloaded: one of three rounds has to do it.
best_add=9999 best_remove=9999
for ((i = 0; i < 3; i++)); do
        took_add=$(on bash -c "$watch" watch yes "mkdir -p ${drop_in%/*}; printf '[X-Synos]\nSupervise=yes\n' >$drop_in") || took_add=20000
        took_remove=$(on bash -c "$watch" watch no "rm $drop_in") || took_remove=20000
        diag "shown and in force after $took_add ms, taken back after $took_remove ms"
        best_add=$((took_add < best_add ? took_add : best_add))
        best_remove=$((took_remove < best_remove ? took_remove : best_remove))
        [ "$best_add" -gt 1000 ] || [ "$best_remove" -gt 1000 ] || break
done
check 'Supervise=yes within a second' test "$best_add" -le 1000
check 'its removal too' test "$best_remove" -le 1000

diag '--- a flood by one user'
"$TESTHOST" put "$HOST" "$FLOOD" /opt/flood --mode 755
on rm /etc/polkit-1/rules.d/10-test.rules
check 'the rule is gone' wait_for 10 verdict_is AuthorizationRequired alice web Restart
flood() { # FLOOD-OPTIONS -- METHOD ARGS…
        local options=()
        while [ "$1" != -- ]; do
                options+=("$1")
                shift
        done
        person alice /opt/flood "${options[@]}" "$N" /org/synos/Supervisor1 "$N.Manager" "${@:2}"
}
resident() { on ps -o rss= -p "$(main_pid synd.service)"; } # KiB
# Of a killed process: the microseconds between PID 1 seeing its end and the next start.
recovery() {
        local pid
        pid=$(main_pid web.service)
        on kill -KILL "$pid"
        wait_for 60 recovered "$pid" || return
        echo $(($(prop web.service ActiveEnterTimestampMonotonic) - $(prop web.service InactiveEnterTimestampMonotonic)))
}
recovered() { ! unit_is web.service "MainPID=$1" && unit_is web.service ActiveState=active; }
median_recovery() { for _ in 1 2 3 4 5; do recovery || return; done | sort -n | sed -n 3p; }
# shellcheck disable=SC2086 # words
dump_has() { on busctl call $M Dump | grep -qE -e "$1"; }

check_match '500 calls at once: limited' 'LimitReached=[0-9]+' "$(flood -n 500 -p 500 -- Reload)"
check_match 'fields above 64 KiB' '^calls=50 InvalidArgument=50 ' "$(flood -n 50 -p 50 -- Register ss foo.service @65537)"
check_match 'a filter above 64 KiB' '^calls=50 InvalidArgument=50 ' "$(flood -n 50 -p 50 -- ListEvents tus 0 0 @65537)"
check_match 'a name of 64 KiB' '^calls=50 InvalidArgument=50 ' "$(flood -n 50 -p 50 -- Describe s @65536)"
check_match 'streams of one client: eight of a hundred' ' ok=8( |$)' "$(flood -n 100 -p 100 -- Follow ts 0 '')"

idle=$(median_recovery)
memory=$(resident)
flooders=()
for ((i = 0; i < 20; i++)); do # eight each, together more than one user may have
        flood -n 10 -p 10 -k 300 -- Follow ts 0 '' >/dev/null &
        flooders+=($!)
done
check 'streams of one user: half of what there are' wait_for 20 dump_has '"streams\\":128[^0-9]'
flood -n 10000000 -p 100 -- Reload >/dev/null &
flooders+=($!)
flood -n 10000000 -p 100 -- ListEvents tus 0 1000 '' >/dev/null &
flooders+=($!)
flood -n 10000000 -p 100 -- Describe s web >/dev/null &
flooders+=($!)
flood -n 10000000 -p 100 -- ListServices >/dev/null &
flooders+=($!)
flood -n 10000000 -p 100 -- Register ss foo.service @70000 >/dev/null &
flooders+=($!)
flooded=$(median_recovery)
during=$(on sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(main_pid synd.service)/status")
ctl root status web
check_eq 'root is answered meanwhile' 0 "$rc"
check 'the flood met limits' dump_has 'refused_by_limit\\":[0-9]{3,}'
on pkill -x flood
wait "${flooders[@]}" 2>/dev/null
diag "from the end of a process to the next start: $idle us when idle, ${flooded:-never} us in the flood"
diag "resident memory of synd: $memory KiB before, $during KiB at most in the flood"
# Ten times; nothing below a second, because the flood itself and others on the machine take the processors.
check 'a killed service is recovered meanwhile' test "${flooded:-9999999}" -le $((idle * 10 > 1000000 ? idle * 10 : 1000000))
check 'memory stays bounded' test "$during" -le 98304
check_eq 'synd was not restarted' 0 "$(prop synd.service NRestarts)"
check 'streams end with their clients' wait_for 20 dump_has '"streams\\":0[^0-9]'
check 'and everybody is answered again' verdict_is AuthorizationRequired alice web Restart
finish

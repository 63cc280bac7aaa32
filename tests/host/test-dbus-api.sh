#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# org.synos.Supervisor1 as other programs and people meet it: raw busctl as root and as a user, with the polkit, dbus and systemd
# of the host.
. "$(dirname "$0")/../lib/host.sh"

N=org.synos.Supervisor1
M="$N /org/synos/Supervisor1 $N.Manager"
S=$N.Service
path() { printf '/org/synos/Supervisor1/service/%s' "$1"; }
manager() { on busctl call $M "$@"; }
alice() { as alice busctl "$@"; }
alice_acts() { alice call "$N" "$(path "$1")" "$S" "${@:2}"; }
root_acts() { on busctl call "$N" "$(path "$1")" "$S" "${@:2}"; }
value() { on busctl get-property "$N" "$(path "$1")" "$S" "$2"; }
is() { [ "$(value "$1" "$2")" = "$3" ]; }
fails_with() { # REGEX COMMAND…: it fails, and says so
        local regex=$1 output
        shift
        if output=$("$@" 2>&1); then
                echo "it succeeded: $output"
                return 1
        fi
        grep -qE -e "$regex" <<<"$output" || { echo "$output"; return 1; }
}
action_of() { sed -n 's/^s "\(.*\)"$/\1/p'; }

host_boot
host_install
demo web
demo other
demo holy 'Protected=yes'
unit plain.service <<'END'
[Service]
ExecStart=/bin/sleep infinity
END
daemon_reload
for u in web other holy plain; do on systemctl start $u.service; done

check 'the service is up on the bus' wait_for 20 is web Status 's "running"'
check_eq 'active' 's "active"' "$(value web ActiveState)"
check_eq 'its process' "u $(prop web.service MainPID)" "$(value web MainPID)"
check_eq 'its invocation' "s \"$(prop web.service InvocationID)\"" "$(value web InvocationID)"
check_eq 'granted' 'b true' "$(value web Granted)"
check_eq 'protected' 'b true' "$(value holy Protected)"
check_eq 'protected is not granted' 'b false' "$(value holy Granted)"

# ---- reading, as anybody ----
check_match 'a user lists services' '"web" "web.service"' "$(alice call $M ListServices)"
check_eq 'a user finds an object' "o \"$(path web)\"" "$(alice call $M GetService s web.service)"
check_match 'a user sees the description' 'granted' "$(alice call $M Describe s web)"
check_match 'a user reads the log' 'service.starting' "$(alice call $M ListEvents tus 0 0 '{"services":["web"]}')"
check 'a user introspects' alice introspect "$N" "$(path web)"
check_match 'the tree has the objects' "$(path web)" "$(alice tree --list "$N")"

# ---- acting without a rule ----
for verb in Start Stop Restart Reload ResetErrors Check; do
        check "a user cannot $verb" fails_with 'Authentication is required|Not authori' alice_acts web "$verb"
done
check 'a user cannot SetMaintenance' fails_with 'Authentication is required|Not authori' alice_acts web SetMaintenance bt true 0
check 'a user cannot Register' fails_with 'Authentication is required|Not authori' alice call $M Register ss plain.service '{}'
check 'a user cannot Unregister' fails_with 'Authentication is required|Not authori' alice call $M Unregister s web
check 'a user cannot Reload the supervisor' fails_with 'Authentication is required|Not authori' alice call $M Reload
check 'a user cannot set the log level' fails_with 'Authentication is required|Not authori' \
        alice set-property "$N" /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s debug

# ---- one rule: one user, one unit, one verb ----
"$TESTHOST" put "$HOST" - /etc/polkit-1/rules.d/10-alice.rules --mode 644 <<'END'
polkit.addRule(function (action, subject) {
        if (action.id == "org.synos.supervisor1.manage-services" && subject.user == "alice" &&
            action.lookup("unit") == "web.service" && action.lookup("verb") == "restart")
                return polkit.Result.YES;
});
END
before=$(prop web.service InvocationID)
restart_allowed() { id=$(alice_acts web Restart | action_of) && [ -n "$id" ]; }
check 'the rule takes effect: the user restarts that unit' wait_for 10 restart_allowed
id=$(manager ListActions | grep -o '\\"id\\":\\"[0-9a-f-]*' | tail -n 1 | sed 's/.*"//')
check_match 'the action ends well' '^sss "done" ""' "$(alice call --timeout 30 $M WaitAction s "$id")"
check_fails 'it is another invocation' test "$before" = "$(prop web.service InvocationID)"
check_match 'who did it is recorded' 'alice' "$(manager ListEvents tus 0 0 '{"types":["user.request"]}')"
check 'not another verb' fails_with 'Authentication is required|Not authori' alice_acts web Stop
check 'not another unit' fails_with 'Authentication is required|Not authori' alice_acts other Restart

# ---- what nobody may ----
for verb in Start Stop Restart ResetErrors; do
        check "not even root: $verb a protected unit" fails_with 'protected' root_acts holy "$verb"
done
check_match 'root registers a unit' "$(path plain)" "$(manager Register ss plain.service '{"Type":"thing"}')"
check 'a registered unit is seen' wait_for 10 is plain Status 's "running"'
check_eq 'it has its field' 's "thing"' "$(value plain Type)"
for verb in Start Stop Restart; do
        check "not even root: $verb a unit without a grant" fails_with 'synctl adopt plain.service' root_acts plain "$verb"
done
check 'only a file grants' fails_with 'file' manager Register ss plain.service '{"Supervise":"yes"}'
check 'root unregisters it' manager Unregister s plain
check 'it is gone' fails_with 'no supervised service' manager GetService s plain

# ---- acting as root ----
check 'root stops' root_acts other Stop
check 'it is stopped' wait_for 20 is other Status 's "stopped"'
check 'root starts' root_acts other Start
check 'it is running' wait_for 20 is other Status 's "running"'
check 'maintenance on' root_acts other SetMaintenance bt true 3600000000
check_eq 'maintenance is shown' 'b true' "$(value other Maintenance)"
check 'maintenance off' root_acts other SetMaintenance bt false 0
check 'check' root_acts other Check
check 'reload of the supervisor' manager Reload
check 'log level' on busctl set-property "$N" /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s debug
check_eq 'log level is set' 's "debug"' \
        "$(on busctl get-property "$N" /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel)"

# ---- a failure, told ----
on systemctl kill --signal=SIGKILL web.service
check 'the failure is in the log' wait_for 20 bash -c \
        "'$TESTHOST' run '$HOST' -- busctl call $M Explain s web | grep -q service.failed"
check 'it is recovered' wait_for 30 is web Status 's "running"'

# ---- polkit away ----
on systemctl mask --now polkit.service
check 'without polkit a user reads' alice call $M GetService s web
check 'without polkit a user is denied' fails_with 'polkit' alice_acts web Restart
on systemctl unmask polkit.service

# ---- the bus restarted ----
on systemctl restart dbus.service
answers() { on busctl --timeout 5 call $M GetService s web; }
check 'it is back after a restart of the bus' wait_for 30 answers
check_match 'and knows what it knew' 'running' "$(manager ListServices)"
check 'a user acts again' wait_for 20 restart_allowed
finish

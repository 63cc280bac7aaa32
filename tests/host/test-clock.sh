#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The clock is set back one hour, and forward again, in a storm of failures: nothing is lost, nothing is wedged. On a virtual
# machine, since a container has no clock of its own. STORM_SEED=N repeats a run.
# shellcheck source=tests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/storm-lib.sh
. "$(dirname "$0")/storm-lib.sh"

storm_units=${STORM_UNITS:-15} kills=${STORM_KILLS:-60}
diag "seed $storm_seed (STORM_SEED=$storm_seed)"

# What host.sh offers, for a machine.
HOST=$(host_unique "$host_script")
on() { "$TESTHOST" vm-run "$HOST" -- "$@"; }
host_follow() { exec sleep "$1"; } # vm-run has no output before its end: wait_for looks twice a second
clock_cleanup() {
        local rc=$?
        if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
                mkdir -p "$host_logs/$host_script"
                on journalctl --boot -o short-monotonic >"$host_logs/$host_script/$HOST.journal" 2>&1 || :
        fi
        "$TESTHOST" vm-destroy "$HOST"
        (exit "$rc")
        storm_cleanup
}
trap clock_cleanup EXIT

boot() {
        local rc=0 out
        out=$("$TESTHOST" vm-boot "$HOST" --suite "$SYNOS_SUITE" --owner $$ 2>&1) || rc=$?
        [ "$rc" -ne 77 ] || skip_all "$out"
        printf '%s\n' "$out"
        return "$rc"
}

install() {
        local dist=${SYNOS_DIST:-$HOST_LIB/../../dist} deb
        for deb in "$dist"/*.deb; do
                [ -e "$deb" ] || return
                "$TESTHOST" vm-put "$HOST" "$deb" "/root/${deb##*/}" || return
        done
        on sh -c 'dpkg -i /root/*.deb'
}

# Each "system.clock" event, in minutes.
clock_steps() {
        on synctl events --json --since 0 --type system.clock |
                python3 -c 'import json, sys
print(*(round(json.loads(line)["data"]["step_usec"] / 60e6) for line in sys.stdin))'
}

# SECONDS: the whole story around a step that lasts.
step() {
        local name="clock set by $1 s" seconds=$1
        check "$name: the storm" storm_kill "$kills" 20 run 1 sh -c "date -s @\$((\$(date +%s) + $seconds))"
        check "$name: all units run again, each invocation is in the log once and in order" storm_settled 90
        check "$name: a failure afterwards is seen and recovered" storm_probe
        check_match "$name: synd is running" '"state":"running"' "$(dump)"
        check_match "$name: its watchdog was fed" '"withheld":0' "$(dump)"
        check_eq "$name: it is the same process" "$synd" "$(prop synd MainPID) $(prop synd NRestarts)"
}

dump() {
        on busctl --json=short call org.synos.Supervisor1 /org/synos/Supervisor1 org.synos.Supervisor1.Manager Dump |
                python3 -c 'import json, sys; print(json.dumps(json.loads(json.load(sys.stdin)["data"][0]), separators=(",", ":")))'
}

rc=0
out=$(boot) || rc=$?
[ "$rc" -ne 77 ] || skip_all "$out"
check_eq 'the machine is up' 0 "$rc"
check 'the packages are installed' install
check 'synd and the units are up' storm_setup
[ "$tap_failed" -eq 0 ] || finish
synd="$(prop synd MainPID) $(prop synd NRestarts)"

step -3600
step 3600
check_eq 'both steps are in the log' '-60 60' "$(clock_steps)"

# Once more back, and synd has to find its place in the journal again behind the step.
check 'set back, synd killed: the storm' storm_kill "$kills" 20 synd.service 2 run 1 sh -c "date -s @\$((\$(date +%s) - 3600))"
check 'set back, synd killed: all units run again, each invocation is in the log once and in order' storm_settled 90
check 'set back, synd killed: a failure afterwards is seen and recovered' storm_probe
diag "$(storm_compare | sed -n 1p)"
finish

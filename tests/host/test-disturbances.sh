#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What may happen to systemd, the bus, the journal and the disk in a storm of failures: nothing is lost, nothing is wedged.
# STORM_SEED=N repeats a run. (The clock: test-clock.sh, on a machine of its own.)
# shellcheck source=tests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/storm-lib.sh
. "$(dirname "$0")/storm-lib.sh"

storm_units=${STORM_UNITS:-60} kills=${STORM_KILLS:-150}
diag "seed $storm_seed (STORM_SEED=$storm_seed)"

dump() {
        on busctl --json=short call org.synos.Supervisor1 /org/synos/Supervisor1 org.synos.Supervisor1.Manager Dump |
                python3 -c 'import json, sys
value = json.loads(json.load(sys.stdin)["data"][0])
for key in sys.argv[1].split("."):
    value = value[key]
print(value)' "$1"
}

# NAME TIMES COMMAND…: COMMAND, in the host, at random moments of a storm.
disturb() {
        local name=$1 times=$2
        shift 2
        check "$name: the storm" storm_kill "$kills" 20 run "$times" "$@"
        aftermath "$name"
}

aftermath() {
        local name=$1
        check "$name: all units run again, each invocation is in the log once and in order" storm_settled 60
        check "$name: a failure afterwards is seen and recovered" storm_probe
        check_eq "$name: synd is well" "running 0 0" "$(dump state) $(dump watchdog.withheld) $(dump event_log.dropped)"
        check_eq "$name: it is the same process" "$synd" "$(prop synd MainPID) $(prop synd NRestarts)"
}

host_boot
# a disk of its own for the event log, to be filled later
on sh -c 'mkdir -p /var/lib/synos && mount -t tmpfs -o size=48M,mode=755 synos /var/lib/synos'
host_install
check 'synd and the units are up' storm_setup
[ "$tap_failed" -eq 0 ] || finish
synd="$(prop synd MainPID) $(prop synd NRestarts)"

disturb 'daemon-reload' 4 systemctl daemon-reload
disturb 'daemon-reexec' 2 systemctl daemon-reexec
bus=$(prop dbus MainPID)
disturb 'dbus restarted' 2 systemctl restart dbus
check 'dbus was really restarted' test "$bus" != "$(prop dbus MainPID)"
disturb 'journald restarted' 2 systemctl restart systemd-journald

# The disk is full from one of the first kills on, and freed when the storm is over and writing has really failed.
stalled() { [ "$(dump event_log.state)" = stalled ]; }
resumed() { [ "$(dump event_log.state)" = ok ]; }
check 'full disk: the storm' storm_kill "$kills" 20 run 1 sh -c \
        'dd if=/dev/zero of=/var/lib/synos/filler bs=64k 2>/dev/null; test "$(stat -f -c %a /var/lib/synos)" -eq 0'
check 'full disk: synd says so' wait_for 30 stalled
check_eq 'full disk: and is degraded' degraded "$(dump state)"
check 'full disk: supervision goes on' storm_probe
on rm /var/lib/synos/filler
check 'full disk: writing goes on when there is room' wait_for 30 resumed
aftermath 'full disk'
for t in log.stalled log.resumed; do
        check_match "full disk: $t is in the log" "\"type\":\"$t\"" "$(events --since 0 --type $t)"
done
diag "$(storm_compare | sed -n 1p)"
finish

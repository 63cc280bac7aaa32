#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# 200 units, 1,000 times SIGKILL every 20 ms: each invocation is in the log exactly once and in order; then the same while
# synd itself is killed at 20 random moments. STORM_SEED=N repeats a run; STORM_UNITS, STORM_KILLS, STORM_DEATHS: its size.
# shellcheck source=tests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/storm-lib.sh
. "$(dirname "$0")/storm-lib.sh"

units=${STORM_UNITS:-200} kills=${STORM_KILLS:-1000} deaths=${STORM_DEATHS:-20}
diag "seed $storm_seed (STORM_SEED=$storm_seed)"

# From start-up on synd asks PID 1 for no list of units: the bus shows all that it is asked.
watch_lists() {
        # shellcheck disable=SC2016 # the host's shell expands it
        on sh -c 'busctl monitor --json=short --match="type=method_call,interface=org.freedesktop.systemd1.Manager" \
                        >/run/calls 2>/dev/null & echo $! >/run/calls.pid'
}

synd_calls() {
        # shellcheck disable=SC2016 # the host's shell expands it
        on sh -c 'kill "$(cat /run/calls.pid)"; sed -n "s/.*\"member\":\"\([A-Za-z]*\)\".*/\1/p" /run/calls | sort | uniq -c'
}

host_boot
host_install
storm_units=$units
check 'synd and the units are up' storm_setup
[ "$tap_failed" -eq 0 ] || finish

watch_lists
check "$kills times SIGKILL" storm_kill "$kills" 20
check 'all units run again and the log has told of all invocations' storm_settle 60
check 'every invocation once and in order' storm_compare
calls=$(synd_calls)
check_match 'the calls to systemd were seen' StartUnit "$calls"
check_fails 'no list of units was asked for' grep -q ListUnits <<<"$calls"
check_eq 'synd ran through' 0 "$(prop synd NRestarts)"

check "$kills times SIGKILL, synd killed $deaths times" storm_kill "$kills" 20 synd.service "$deaths"
check 'all units run again and the log has told of all invocations' storm_settle 90
check 'every invocation once and in order' storm_compare
check_eq 'synd was started again each time' "$deaths" "$(prop synd NRestarts)"
diag "$(storm_compare | head -n 1)"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The systemd client and the journal reader, by synd-observe, against a real PID 1: storms of kills in which nothing may be
# missed, and the shutdown. STORM_SEED=N repeats one run, STORM_KILLS=N changes its length.
. "$(dirname "$0")/../lib/host.sh"

storm=$(dirname "$(readlink -f "$0")")/observe-storm.py
seed=${STORM_SEED:-$RANDOM$RANDOM}
kills=${STORM_KILLS:-1000}
diag "seed: $seed (STORM_SEED=$seed)"

host_boot
"$TESTHOST" put "$HOST" "$SYND_OBSERVE" /usr/local/bin/synd-observe --mode 755

run_storm() {
        local rc=0 out
        out=$("$storm" "$TESTHOST" "$HOST" "$kills" "$seed" "$1") || rc=$?
        diag "$out" >&3
        return "$rc"
}
exec 3>&1
check 'a calm storm is told live, whole and in order' run_storm calm
check 'a disturbed storm is told whole and in order' run_storm disturbed

# A user who may not read the journal is told so, at once.
check_fails 'the journal of others is not readable' as nobody synd-observe --no-bus </dev/null

finish

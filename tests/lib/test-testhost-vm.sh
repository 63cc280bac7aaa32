#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The virtual machines of testhost: what a container cannot do.
# Single quotes are for the machine's shell:
# shellcheck disable=SC2016,SC2317
set -u
lib=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib/tap.sh
. "$lib/tap.sh"
th=$lib/testhost
m=vm-selftest-$$

rc=0
reason=$("$th" vm-base bookworm 2>&1 >/dev/null) || rc=$?
[ "$rc" -ne 77 ] || skip_all "$reason"
dir=$(mktemp -d)
trap '"$th" vm-destroy "$m"; rm -rf "$dir"' EXIT
exec </dev/null
exits_with() {
        local want=$1 rc=0
        shift
        "$@" || rc=$?
        [ "$rc" -eq "$want" ] || { echo "exit status $rc"; return 1; }
}
value() { "$th" vm-run "$m" -- sh -c "$1" 2>&1; }

check_eq "base" 0 "$rc"
check 'boot from the snapshot' "$th" vm-boot "$m" --owner $$
check_eq 'host name' "$m" "$(value hostname)"
check 'exit status passes' exits_with 7 "$th" vm-run "$m" sh -c 'exit 7'
check_eq 'arguments pass unchanged' 'a  $b *|' "$("$th" vm-run "$m" -- sh -c 'printf "%s|" "$1"' sh 'a  $b *')"
check_eq 'stdin passes' hello "$(echo hello | "$th" vm-run "$m" cat)"
check 'time limit' exits_with 124 "$th" vm-run "$m" --timeout 1 sleep 60
check 'and it answers again' "$th" vm-run "$m" true
# a client that hangs up before its answer
python3 - "${SYNOS_TESTHOST_DIR:-/var/tmp/synos-testhost}/vms/$m/agent" <<'END'
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(b'old 5 11 0\necho stale\n')
END
check_eq 'an answer that nobody took is not the next one' fresh "$(value 'echo fresh')"
all=$(for i in $(seq 20); do value "echo $i"; done)
check_eq 'twenty commands, twenty answers' "$(seq 20)" "$all"
drift=$(($(value 'date +%s') - $(date +%s)))
check 'the clock is ours' test "${drift#-}" -le 5
check_match 'all controllers of cgroup v2' 'cpu io memory.* pids' "$(value 'cat /sys/fs/cgroup/cgroup.controllers')"
check_match 'an out-of-memory kill is real' 'oom-kill' "$(value '
        systemd-run --quiet --wait --unit=eater -p MemoryMax=20M -p MemorySwapMax=0 -p RuntimeMaxSec=60 \
                sh -c "head -c 100M /dev/zero | tail -c 90M >/dev/null"
        journalctl -b -u eater -o cat')"

mkdir "$dir/sub"
echo content >"$dir/sub/file"
check 'put a tree' "$th" vm-put "$m" "$dir" /srv/tree
check_eq 'what was put' 'root content' "$(value 'echo $(stat -c %U /srv/tree/sub) $(cat /srv/tree/sub/file)')"

value 'echo kept >/var/synced; sync; echo lost >/var/unsynced' >/dev/null
check 'power cut' "$th" vm-power-cut "$m"
check_fails 'no command in a machine that is off' "$th" vm-run "$m" true
check 'cold boot' "$th" vm-boot "$m"
check_eq 'what was synced is there, what was not is lost' 'kept no' \
        "$(value 'echo $(cat /var/synced) $(test -s /var/unsynced && echo yes || echo no)')"
check 'power off' "$th" vm-poweroff "$m"
check 'destroy' "$th" vm-destroy "$m"
check_fails 'nothing is left' grep -q "$m" <("$th" list)
finish

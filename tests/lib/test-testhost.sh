#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The test hosts themselves: what every other host test leans on. It uses a state directory of its own (and the shared
# bases), so that it may leave garbage and collect it while other tests run.
# Single quotes are for the host's shell, functions are called by check:
# shellcheck disable=SC2016,SC2317
set -u
lib=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/lib/tap.sh
. "$lib/tap.sh"
th=$lib/testhost
shared=${SYNOS_TESTHOST_DIR:-/var/tmp/synos-testhost}

reason=$("$th" list 2>&1 >/dev/null) || { [ $? -eq 77 ] && skip_all "$reason"; }
"$th" base bookworm trixie >/dev/null || { not_ok 'build the bases'; finish; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/testhost.XXXXXX")
mkdir "$dir/hosts"
ln -s "$shared/bases" "$dir/bases"
export SYNOS_TESTHOST_DIR=$dir
prefix=sth$(stat -c %i "$dir/hosts")
trap '"$th" gc --all >/dev/null; rm -rf "$dir"' EXIT

status() { "$th" list --json | python3 -c 'import json, sys
for h in json.load(sys.stdin):
  if h["name"] == sys.argv[1]: print(h["status"])' "$1"; }
# Everything of ours that the kernel still knows: cgroups, mounts, network namespaces.
leftovers() {
        find /sys/fs/cgroup -name "$prefix-$1" -type d 2>/dev/null
        grep -F "$dir/hosts/$1" /proc/self/mounts
        find /run/netns /run/systemd/nspawn -name "$prefix-$1" 2>/dev/null
}
lives() { grep -q '^State:[[:space:]][^ZX]' "/proc/$1/status" 2>/dev/null; }
exits_with() {
        local want=$1 rc=0
        shift
        "$@" || rc=$?
        [ "$rc" -eq "$want" ] || { echo "exit status $rc"; return 1; }
}

# one host, its life

check 'boot' "$th" boot one
check_eq 'status running' running "$(status one)"
check_eq 'PID 1 is systemd' systemd "$("$th" run one cat /proc/1/comm)"
check_eq 'Debian 12' 12 "$("$th" run one sh -c '. /etc/os-release; echo $VERSION_ID')"
check 'exit status passes' exits_with 7 "$th" run one sh -c 'exit 7'
check 'exit status of a unit passes' exits_with 9 "$th" unit-run one sh -c 'exit 9'
check_eq 'arguments pass unchanged' 'a  $b *|' "$("$th" unit-run one -- sh -c 'printf "%s|" "$1"' sh 'a  $b *')"
check_eq 'stdin passes' hello "$(echo hello | "$th" run one cat)"
check_eq 'user in a unit of its own' 'alice /system.slice/run-' \
        "$("$th" unit-run one --uid alice -- sh -c 'echo $(id -un) $(sed -n s/^0:://p /proc/self/cgroup)' | sed 's/run-.*/run-/')"
check 'time limit of run' exits_with 124 "$th" run one --timeout 0.5 sleep 60
check 'the system bus, from out here' busctl --address="$("$th" bus one)" --no-pager status org.freedesktop.systemd1
check_eq 'no network but loopback' lo "$("$th" run one ls /sys/class/net)"
check_fails 'a name boots once' "$th" boot one
check_fails 'a bad name is refused' "$th" boot ../one

mkdir "$dir/tree" && printf 'content\n' >"$dir/tree/file" && ln -s file "$dir/tree/link"
check 'put a tree' "$th" put one "$dir/tree" /srv/
check_eq 'what was put' 'root content' "$("$th" run one sh -c 'echo $(stat -c %U /srv/tree/link) $(cat /srv/tree/link)')"
check 'put stdin' "$th" put one - /etc/new/name --mode 640 <<<'text'
check_eq 'what was put from stdin' '640 text' "$("$th" run one sh -c 'echo $(stat -c %a /etc/new/name) $(cat /etc/new/name)')"
check 'get a tree' "$th" get one /srv/tree "$dir/back"
check 'what was got' diff -r "$dir/tree" "$dir/back"
check_fails 'put what is not there' "$th" put one "$dir/none" /srv/
check_fails 'get what is not there' "$th" get one /srv/none "$dir/"

deb=$dir/deb
mkdir -p "$deb/DEBIAN" "$deb/etc"
echo 'setting' >"$deb/etc/testhost-demo.conf"
printf 'Package: testhost-demo\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.org>\nDescription: demo\n' \
        >"$deb/DEBIAN/control"
dpkg-deb --root-owner-group --build "$deb" "$dir/testhost-demo_1_all.deb" >/dev/null
check 'install a package' "$th" install one "$dir/testhost-demo_1_all.deb"
check_eq 'the package is installed' 'installed' \
        "$("$th" run one dpkg-query -W -f '${db:Status-Status}' testhost-demo)"
check_fails 'a broken package is reported' "$th" install one "$dir/tree/file"

# off and on

check 'power off' "$th" poweroff one
check_eq 'status off' off "$(status one)"
check_eq 'off: no process, no cgroup' '' "$(find /sys/fs/cgroup -name "$prefix-one" 2>/dev/null)"
check_fails 'no command in a host that is off' "$th" run one true
check 'put while it is off' "$th" put one - /etc/while-off <<<'off'
check 'boot again' "$th" boot one
check_eq 'files persist' 'text off' "$("$th" run one sh -c 'echo $(cat /etc/new/name) $(cat /etc/while-off)')"
check_eq 'the journal persists' 2 "$("$th" journal one --list-boots | grep -cE '^ *-?[0-9]+ ')"
id=$("$th" run one cat /etc/machine-id)
check 'reboot' "$th" reboot one
check_eq 'the machine id persists' "$id" "$("$th" run one cat /etc/machine-id)"
"$th" run one systemctl reboot 2>/dev/null
check 'a reboot from inside ends it' "$th" wait-off one
check 'and it boots again' "$th" boot one
"$th" put one - /var/written <<<'before the cut'
check 'power cut' "$th" power-cut one
check_eq 'status off after the cut' off "$(status one)"
check 'boot after the cut' "$th" boot one
check_eq 'what was written before the cut' 'before the cut' "$("$th" run one cat /var/written)"

# killed from outside

leader=$("$th" leader one)
nspawn=$(awk '/^PPid:/ { print $2 }' "/proc/$leader/status")
kill -9 "$nspawn"
tail --pid="$nspawn" -f /dev/null
check 'systemd outlives a killed nspawn' lives "$leader"
check_eq 'status dirty' dirty "$(status one)"
check_match 'gc finds it' 'one' "$("$th" gc)"
check_fails 'systemd is gone' lives "$leader"
check_eq 'status off after gc' off "$(status one)"
check 'and it boots again' "$th" boot one
check_eq 'gc leaves a running host alone' '' "$("$th" gc)"
check 'still running' "$th" run one true
check 'destroy' "$th" destroy one
check_eq 'nothing is left' '' "$(leftovers one)"
check_eq 'nothing is listed' '' "$("$th" list)"

sleep infinity &
owner=$!
check 'boot with an owner' "$th" boot owned --owner "$owner"
check_eq 'gc respects a living owner' '' "$("$th" gc)"
kill "$owner" && wait "$owner" 2>/dev/null
check_match 'gc destroys what a dead owner left' 'host owned' "$("$th" gc)"
check_eq 'nothing is left of it' '' "$(leftovers owned)"

"$th" boot lost >/dev/null
rm "$dir/hosts/lost/host.json"
check_match 'gc destroys a host whose record is gone' 'host lost' "$("$th" gc)"
check_eq 'nothing is left of that' '' "$(leftovers lost)"

# the tool itself killed in the middle of a boot: whatever is there at that moment goes away
"$th" boot cut --owner "$$" >/dev/null 2>&1 &
boot=$!
for _ in $(seq 500); do [ -s "$dir/hosts/cut/console" ] || [ -d "$dir/hosts/cut/root/etc" ] && break; done
kill -9 "$boot"
wait "$boot" 2>/dev/null
check 'destroy after the tool was killed while booting' "$th" destroy cut
"$th" gc >/dev/null
check_eq 'nothing is left of the cut boot' '' "$(leftovers cut)"

# several hosts

"$th" net-up lan
"$th" boot a --net lan >"$dir/a.out" 2>&1 & pa=$!
"$th" boot b --net lan --suite trixie >"$dir/b.out" 2>&1 & pb=$!
wait "$pa"
check_eq 'first of two parallel boots' 0 $?
wait "$pb"
check_eq 'second of two parallel boots' 0 $?
check_eq 'Debian 13' 13 "$("$th" run b sh -c '. /etc/os-release; echo $VERSION_ID')"
check 'a reaches b' "$th" run a ping -c 1 -w 5 "$("$th" address b)"
check 'b reaches a' "$th" run b ping -c 1 -w 5 "$("$th" address a)"
check 'a is not b' test "$("$th" run a cat /etc/machine-id)" != "$("$th" run b cat /etc/machine-id)"
"$th" net-link b down
check_fails 'a pulled cable' "$th" run a ping -c 1 -w 1 "$("$th" address b)"
"$th" net-link b up
check 'a plugged cable' "$th" run a ping -c 1 -w 10 "$("$th" address b)"
address=$("$th" address a)
check 'reboot in the network' "$th" reboot a
check_eq 'the address persists' "$address" "$("$th" run a ip -4 -o addr show dev host0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
check 'b reaches a again' "$th" run b ping -c 1 -w 5 "$address"
check 'destroy both' "$th" destroy a b
check 'remove the network' "$th" net-down lan
check_eq 'nothing is left of a and b' '' "$(leftovers a; leftovers b; leftovers lan-sw)"

# resource control, by its effect: a busy loop held to a fifth of a CPU

if "$th" boot v1 --cgroup v1 >"$dir/v1.out" 2>&1; then
        ok 'boot with v1 controllers'
        # the loop itself is the clock, and says in the end what it got
        read -r share throttled < <("$th" unit-run v1 -p CPUQuota=20% -p CPUAccounting=yes -- bash -c '
                start=$EPOCHREALTIME
                while [ "$SECONDS" -lt 4 ]; do :; done
                elapsed=$(( ${EPOCHREALTIME/./} - ${start/./} ))
                unit=$(sed -n "s/^0:://p" /proc/self/cgroup)
                used=$(sed -n "s/^usage_usec //p" "/sys/fs/cgroup/unified$unit/cpu.stat")
                echo $((used * 100 / elapsed)) $(sed -n "s/^nr_throttled //p" "/sys/fs/cgroup/cpu$unit/cpu.stat")')
        diag "the loop had $share % of a CPU, throttled in $throttled periods"
        check 'CPUQuota=20% is enforced (at most 30 %)' test "${share:-100}" -le 30
        check 'the loop was throttled' test "${throttled:-0}" -ge 5
        check 'power off with v1 controllers' "$th" poweroff v1
        check 'destroy with v1 controllers' "$th" destroy v1
        check_eq 'nothing is left of v1' '' "$(leftovers v1)"
else
        diag "no v1 controllers here: $(cat "$dir/v1.out")"
fi

check_eq 'gc finds nothing more' '' "$("$th" gc)"
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages build from this tree on the other supported release, with its compiler, systemd and debhelper; the unit tests pass
# there, lintian has nothing to say, and what came out installs and runs.
# shellcheck source=tests/lib/host.sh
. "$(dirname "$0")/../lib/host.sh"

tree=$(CDPATH='' cd -- "$(dirname "$0")/../.." && pwd)
needs=build-essential,debhelper,dbus-daemon,libcmocka-dev,libjson-c-dev,libsqlite3-dev,libsystemd-dev,lintian,meson,ninja-build,pkg-config
[ "$SYNOS_SUITE" = bookworm ] || needs=$needs,systemd-dev

host_boot --packages "$needs"
# shellcheck disable=SC2016 # the inner shell expands it
git -C "$tree" ls-files -z --cached --others --exclude-standard | (cd "$tree" && xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' sh) |
        tar -C "$tree" --null -T - -cf - | on sh -c 'mkdir /root/tree && tar -C /root/tree -xf -'

log=$("$TESTHOST" run "$HOST" --timeout 900 -- sh -c 'cd /root/tree && DEB_BUILD_OPTIONS="noautodbgsym parallel=2" dpkg-buildpackage --build=binary --no-sign 2>&1')
rc=$?
if [ "$rc" -eq 0 ]; then
        ok "packages build and their tests pass on $SYNOS_SUITE"
else
        not_ok "packages build and their tests pass on $SYNOS_SUITE" "$(tail -n 60 <<<"$log")"
fi
check_eq 'no warning of the compiler' '' "$(grep -E '(warning|error):' <<<"$log" | grep -v '^dpkg\|^dh' | head -n 5)"
check_eq 'lintian has nothing to say' '' "$(on sh -c 'lintian /root/*.changes 2>/dev/null' | grep '^[EW]:')"
check 'what was built installs' on sh -c 'dpkg -i /root/synd_*.deb /root/synctl_*.deb'
check 'and runs' on systemctl is-active synd
check_match 'and answers' 'synd 0|synd [0-9]' "$(on synctl version)"
finish

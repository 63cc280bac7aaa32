#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# synd.service as it is shipped, with a stand-in for synd: all that synd needs works in its sandbox, what it must not do
# fails, and the score of systemd-analyze stays where it is meant to be.
. "$(dirname "$0")/../lib/host.sh"

host_boot
put() { "$TESTHOST" put "$HOST" "$1" "$2" --mode "${3:-644}"; }
put "$SYND_SERVICE" /usr/lib/systemd/system/synd.service
put "$SYND_SYSUSERS" /usr/lib/sysusers.d/synd.conf
put "$SYND_BUS_POLICY" /usr/share/dbus-1/system.d/org.synos.Supervisor1.conf
put "$SANDBOX_PROBE" /usr/sbin/synd 755
on systemd-sysusers
on mkdir -p /etc/synos
on systemctl reload dbus
# The watchdog is for the real one.
unit synd.service.d/test.conf <<<$'[Service]\nWatchdogSec=0\nExecStart=\nExecStart=/usr/sbin/synd'
daemon_reload

check 'it starts and says READY' on systemctl start synd.service
answers=$(on cat /var/lib/synos/probe)
for what in state runtime journal bus log boot-id thread unit-files; do
        check_match "$what works" "(^|"$'\n'")$what: ok" "$answers"
done
for what in write-unit write-etc write-run inet setuid mount; do
        check_match "$what is refused" "(^|"$'\n'")$what: [A-Z]" "$answers"
done
check 'what it logs arrives, under its unit' wait_journal 10 'hello from the sandbox' -u synd.service

pid=$(main_pid synd.service)
status=$(on cat "/proc/$pid/status")
check_match 'it has no capability' $'CapEff:\t0{16}\nCapBnd:\t0{16}\nCapAmb:\t0{16}' "$status"
check_match 'it runs as synd' $'Uid:(\t'"$(on id -u synd)"'){4}' "$status"

score=$(on systemd-analyze security --no-pager synd.service | sed -n 's/.*exposure level for synd.service: \([0-9.]*\).*/\1/p')
diag "systemd-analyze security: $score"
check "the score $score is at most 1.2" awk -v s="$score" 'BEGIN { exit !(s != "" && s <= 1.2) }'
check 'systemd finds nothing wrong with the unit' \
        on sh -c 'systemd-analyze verify --man=no synd.service 2>&1 | grep synd && exit 1; exit 0'

check 'it reloads' on systemctl reload synd.service
finish

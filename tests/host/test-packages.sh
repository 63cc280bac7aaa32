#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages on a fresh host: installed, upgraded, removed and purged, and no service is ever touched.
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/event-lib.sh
. "$(dirname "$0")/event-lib.sh"

services=(web worker plain)
identity() { # what changes when a service is restarted
        local s
        for s in "${services[@]}"; do
                on systemctl show -p Id -p MainPID -p InvocationID -p ActiveState -p NRestarts "$s.service"
        done
}
untouched() { check_eq "$1: the services are untouched" "$running" "$(identity)"; }
files() { on sh -c 'find /etc /usr /var/lib /run -xdev \( -path /var/lib/dpkg -o -path /run/systemd -o -path /run/dbus \) -prune -o -print' | sort; }
dpkg_quiet() { on sh -c "DEBIAN_FRONTEND=noninteractive dpkg $* </dev/null"; } # patterns are the host's
json() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
installed() { on dpkg-query --show --showformat='${Version}' "$1" 2>/dev/null; }
# /root/new/*.deb: the installed packages once more with a higher version
newer_packages() {
        on bash -es <<'SCRIPT'
mkdir -p /root/new
for deb in /root/old/*.deb; do
        dir=$(mktemp -d)
        dpkg-deb --raw-extract "$deb" "$dir"
        sed -i 's/^Version: .*/&+next/' "$dir/DEBIAN/control"
        dpkg-deb --root-owner-group --build "$dir" "/root/new/$(basename "$deb")" >/dev/null
        rm -r "$dir"
done
SCRIPT
}

dist=${SYNOS_DIST:-$HOST_LIB/../../dist}
debs=()
for deb in "$dist"/synd_*.deb "$dist"/synctl_*.deb; do
        [ -e "$deb" ] && debs+=("$deb")
done
[ ${#debs[@]} -eq 2 ] || skip_all "no packages in $dist: make deb"

# ---- the packages themselves ----
# What newer or older releases of Debian want is for their own lintian to say.
if command -v lintian >/dev/null; then
        check 'lintian has no complaint' lintian --allow-root --fail-on error,warning "${debs[@]}"
else
        diag 'lintian is not installed: not asked'
fi

host_boot
for s in web worker; do demo $s; done
unit plain.service <<'END_OF_UNIT'
[Service]
ExecStart=/bin/sleep infinity
END_OF_UNIT
daemon_reload
on systemctl start "${services[@]/%/.service}"
on mkdir -p /root/old
for deb in "${debs[@]}"; do "$TESTHOST" put "$HOST" "$deb" "/root/old/$(basename "$deb")"; done
running=$(identity)
before=$(files)

# ---- install ----
check 'install' dpkg_quiet -i /root/old/synd_*.deb /root/old/synctl_*.deb
check 'synd runs' synd_up
# shellcheck disable=SC2154 # of tap.sh
[ "$tap_failed" -eq 0 ] || finish
check_eq 'it is enabled' enabled "$(on systemctl is-enabled synd.service)"
check_eq 'it supervises what was running' 'running running' \
        "$(on synctl list --json web worker | json '" ".join(s["status"] for s in d)')"
check 'its files are as packaged' on dpkg --verify synd synctl
check_eq 'doctor finds nothing wrong' 0 "$(on synctl doctor --json | json 'd["failures"]')"
untouched install
score=$(on systemd-analyze security --no-pager synd.service | sed -n 's/.*exposure level for synd.service: \([0-9.]*\).*/\1/p')
check "systemd-analyze security: $score is at most 1.2" awk -v s="$score" 'BEGIN { exit !(s != "" && s <= 1.2) }'

# ---- synd comes and goes ----
first=$(on synctl events --since 1 --limit 1 --json)
check_match 'there is a history' '"seq":1,' "$first"
for act in 'systemctl restart synd.service' 'systemctl reload synd.service' 'systemctl kill --signal=KILL synd.service' \
        'systemctl daemon-reexec'; do
        # shellcheck disable=SC2086 # words
        on $act
        check "$act: synd answers" synd_up
        untouched "$act"
done

# ---- upgrade ----
check 'packages of a higher version' newer_packages
version=$(installed synd)
pid=$(main_pid synd.service)
on mkdir -p /etc/synos/synd.conf.d
"$TESTHOST" put "$HOST" - /etc/synos/synd.conf.d/local.conf --mode 644 <<<$'[Recovery]\nBudget=7/10min'
check 'upgrade' dpkg_quiet -i /root/new/synd_*.deb /root/new/synctl_*.deb
check_eq 'the new version is installed' "$version+next" "$(installed synd)"
check 'synd answers' synd_up
check_fails 'it is the new one' test "$pid" = "$(main_pid synd.service)"
check_eq 'the history is kept' "$first" "$(on synctl events --since 1 --limit 1 --json)"
check_match 'the configuration of the administrator is kept' 'Recovery.Budget +7/10min' "$(on synctl config)"
untouched upgrade
check 'installing it again' dpkg_quiet -i /root/new/synd_*.deb
check 'synd answers' synd_up
untouched 'installing again'
check_eq 'synd did nothing to any service' '[]' "$(automatic 1 web.service worker.service)"

# ---- it still does its work ----
on systemctl kill --signal=KILL worker.service
check 'a failed service comes back' await_event 60 1 worker.service service.recovered
running=$(identity)

# ---- remove, and come back ----
check 'remove' dpkg_quiet -r synd synctl
check_eq 'synd is gone' 'inactive' "$(prop synd.service ActiveState)"
check_eq 'nothing of it runs' '' "$(on sh -c 'grep -lx synd /proc/[0-9]*/comm')"
check_fails 'the polkit rule is gone' on test -e /usr/share/polkit-1/rules.d/50-synos.rules
check 'the history stays' on test -s /var/lib/synos/events.db
untouched remove
check 'install again' dpkg_quiet -i /root/new/synd_*.deb /root/new/synctl_*.deb
check 'synd answers' synd_up
check_eq 'the history is there' "$first" "$(on synctl events --since 1 --limit 1 --json)"
untouched 'install again'

# ---- purge ----
on rm -r /etc/synos/synd.conf.d
check 'purge' dpkg_quiet --purge synd synctl
check_fails 'the history is gone' on test -e /var/lib/synos
check_eq 'systemd knows no synd' 'not-found' "$(prop synd.service LoadState)"
untouched purge
left=$(comm -13 <(printf '%s\n' "$before") <(files) | grep -vE '^(/run|/var/lib/(systemd|private|sgml-base|man-db|polkit-1)|/etc/(passwd|group|shadow|gshadow)-?$)' || :)
check_eq 'no file is left' '' "$left"
finish

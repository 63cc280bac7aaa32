# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Hosts for test scripts. A script starts with
#
#       . "$(dirname "$0")/../lib/host.sh"
#       host_boot [--suite trixie] [--cgroup v1] [--net NET] …         sets $HOST, a fresh host
#       host_install                                                   the built packages
#
# and uses what tap.sh and this file offer. Everything it booted is destroyed when it ends, however it ends; when a
# check failed, the journal and console of each host are kept in $SYNOS_TEST_LOGS (default: the build directory).
#
#       on CMD…                         run in $HOST as root                    (on_host NAME CMD… for another)
#       as USER CMD…                    run in $HOST in a unit of that user
#       host_boot …                     another host: sets $HOST; keep the name to come back: first=$HOST
#       host_reboot / host_power_cut    $HOST goes down and is booted again
#       host_install [DEB…]             default: dist/*.deb of $SYNOS_DIST
#       host_net NAME                   make a network for this script; sets $NET for host_boot --net "$NET"
#       unit NAME <<<TEXT               write a unit file (or drop-in: foo.service.d/x.conf), then daemon_reload
#       daemon_reload
#       demo NAME [LINE…]               unit of a process that runs until it is killed, supervised; LINE goes into
#                                       the section that is open: start with a "[Section]" line to open another
#       wait_for SECONDS CMD…           until CMD (a function or command out here) succeeds; see below
#       wait_journal SECONDS REGEX [ARGS…]      until a line of the journal (of this boot, from its start) matches
#       wait_unit SECONDS UNIT KEY=VALUE…       until systemctl show says so for all of them
#       prop UNIT KEY                   one property of a unit
#       main_pid UNIT                   its main process, as seen in the host
#       events [ARGS…]                  synctl events --json ARGS: one JSON object a line
#
# Waiting leans on events: wait_for asks again whenever the journal grows or systemd sends a signal in $HOST (and
# twice a second for what neither announces), never later than the limit.

HOST_LIB=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/tap.sh
. "$HOST_LIB/tap.sh"

TESTHOST=$HOST_LIB/testhost
HOST=
NET=
host_all=()
host_nets=()
host_logs=${SYNOS_TEST_LOGS:-${MESON_BUILD_ROOT:-${TMPDIR:-/tmp}}/host-logs}
host_script=$(basename "$0" .sh)
: "${SYNOS_SUITE:=bookworm}"

host_cleanup() {
        local rc=$? h n
        trap - EXIT
        if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
                for h in "${host_all[@]}"; do
                        host_save_logs "$h"
                done
        fi
        [ ${#host_all[@]} -eq 0 ] || "$TESTHOST" destroy "${host_all[@]}"
        for n in "${host_nets[@]}"; do
                "$TESTHOST" net-down "$n"
        done
        exit "$rc"
}
trap host_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

host_save_logs() {
        local dir=$host_logs/$host_script
        mkdir -p "$dir" || return 0
        "$TESTHOST" journal "$1" -o short-precise >"$dir/$1.journal" 2>&1 || :
        "$TESTHOST" console "$1" >"$dir/$1.console" 2>&1 || :
        diag "logs of $1 in $dir"
}

# The tool exits with 77 when this machine cannot run hosts.
host_boot() {
        local rc=0 out args=()
        HOST=$(host_unique "$host_script-$((${#host_all[@]} + 1))")
        [[ " $* " == *" --suite "* ]] || args=(--suite "$SYNOS_SUITE")
        host_all+=("$HOST")
        out=$("$TESTHOST" boot "$HOST" --owner $$ "${args[@]}" "$@" 2>&1) || rc=$?
        [ "$rc" -eq 0 ] && return
        [ "$rc" -eq 77 ] && skip_all "$out"
        not_ok "boot $HOST" "$out"
        finish
}

# Short enough for a host name, and never the same in two runs at once.
host_unique() {
        local name=${1//[^a-z0-9-]/-}
        printf '%s-%s\n' "${name:0:20}" "$$"
}

host_net() {
        NET=$(host_unique "net-$1")
        host_nets+=("$NET")
        "$TESTHOST" net-up "$NET" --owner $$
}

host_install() {
        local debs=("$@") out
        if [ ${#debs[@]} -eq 0 ]; then
                local dist=${SYNOS_DIST:-$HOST_LIB/../../dist}
                debs=("$dist"/*.deb)
                [ -e "${debs[0]}" ] || skip_all "no packages in $dist: make deb"
        fi
        if ! out=$("$TESTHOST" install "$HOST" "${debs[@]}" 2>&1); then
                not_ok "install ${debs[*]##*/}" "$out"
                finish
        fi
}

host_reboot() { "$TESTHOST" reboot "$HOST" >/dev/null; }

host_power_cut() { "$TESTHOST" power-cut "$HOST" && "$TESTHOST" boot "$HOST" >/dev/null; }

on() { "$TESTHOST" run "$HOST" -- "$@"; }

on_host() {
        local h=$1
        shift
        "$TESTHOST" run "$h" -- "$@"
}

as() {
        local user=$1
        shift
        "$TESTHOST" unit-run "$HOST" --uid "$user" -- "$@"
}

unit() { "$TESTHOST" put "$HOST" - "/etc/systemd/system/$1" --mode 644; }

daemon_reload() { on systemctl daemon-reload; }

demo() {
        local name=$1
        shift
        unit "$name.service" <<END
[Unit]
Description=Demo $name
[Service]
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
$(printf '%s\n' "$@")
END
}

prop() { on systemctl show --value -p "$2" -- "$1"; }

main_pid() { prop "$1" MainPID; }

events() { on synctl events --json "$@"; }

# The lines of this process say: something happened in the host.
host_follow() {
        # shellcheck disable=SC2016 # the host's shell expands it
        exec "$TESTHOST" run "$HOST" --timeout "$1" -- bash -c '
                busctl monitor --system --json=short --match=type=signal 2>/dev/null &
                exec journalctl --quiet --follow --lines=0 --output=cat'
}

wait_for() {
        local limit=$1 end=$((SECONDS + $1 + 1)) fd pid rc=1
        shift
        "$@" >/dev/null 2>&1 && return 0
        coproc host_follow "$limit"
        pid=$COPROC_PID
        exec {fd}<&"${COPROC[0]}"
        while [ "$SECONDS" -lt "$end" ]; do
                if "$@" >/dev/null 2>&1; then
                        rc=0
                        break
                fi
                # one event, or half a second; then all that have come meanwhile
                read -r -t 0.5 -u "$fd" _ && while read -r -t 0.001 -u "$fd" _; do :; done
        done
        exec {fd}<&-
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        [ "$rc" -eq 0 ] || diag "not within $limit s: $*"
        return "$rc"
}

wait_journal() {
        local limit=$1 regex=$2
        shift 2
        # shellcheck disable=SC2016 # the host's shell expands it
        on timeout "$limit" bash -c '
                regex=$1; shift
                exec 3< <(exec journalctl --quiet --boot --follow --lines=all --output=cat "$@")
                grep --max-count=1 --extended-regexp -e "$regex" <&3
                rc=$?; kill $!; exit $rc' bash "$regex" "$@"
}

wait_unit() {
        local limit=$1 u=$2
        shift 2
        wait_for "$limit" unit_is "$u" "$@"
}

unit_is() {
        local u=$1 want args=() shown
        shift
        for want in "$@"; do
                args+=(-p "${want%%=*}")
        done
        shown=$(on systemctl show "${args[@]}" -- "$u") || return
        for want in "$@"; do
                grep -qxF -e "$want" <<<"$shown" || return
        done
}

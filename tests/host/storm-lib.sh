# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Storms of failures in $HOST, for the scripts beside this file. After host_boot and host_install:
#
#       storm_setup             configures synd for it, makes and starts storm-1.service to storm-$storm_units.service
#       storm_kill KILLS INTERVAL_MS [UNIT TIMES] [run TIMES COMMAND…]
#                               kills processes of them (and UNIT as a whole, and runs COMMAND in between): see storm.c;
#                               the storm follows from $storm_seed
#       storm_settle SECONDS    until all of them run and the log has told of all that the journal tells
#       storm_probe             one more failure, which is recovered
#       storm_compare           the log against the truth, see storm-compare.py; its output tells what is wrong
#
# Needs $STORM, the program of storm.c.
: "${STORM:?the program of storm.c, set by meson}"

storm_units=200
storm_seed=${STORM_SEED:-$((RANDOM * 32768 + RANDOM))}
storm_work=$(mktemp -d)
trap storm_cleanup EXIT
storm_dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# What a failed comparison was made from is kept beside the logs of the host, and so is the event log itself.
storm_cleanup() {
        # shellcheck disable=SC2154 # of tests/lib/host.sh
        local rc=$? dir=$host_logs/$host_script
        if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ] && [ -e "$storm_work/events" ]; then
                mkdir -p "$dir"
                cp "$storm_work/journal" "$storm_work/events" "$storm_work/runs" "$dir"
                rm -rf "$dir/synos"
                "$TESTHOST" get "$HOST" /var/lib/synos "$dir/synos" 2>/dev/null || :
        fi
        rm -rf "$storm_work"
        (exit "$rc")
        host_cleanup
}

# Kinds of units, all recovered within their budget or by their own Restart=. No start limit of systemd's, save for those
# of the kind "limit", whose start-limit-hit synd takes over.
storm_unit() {
        local n=$1 kind=simple options='' start_limit=StartLimitIntervalSec=0 service=()
        case $((n % 10)) in
        0 | 1) kind=restart service=('Restart=always' 'RestartSec=0') ;;
        2) kind=restart-late service=('Restart=always' 'RestartSec=100ms') ;;
        3) kind=notify options=notify service=('Type=notify' 'NotifyAccess=main') ;;
        4) kind=exec service=('Type=exec') ;;
        5) kind=flaky options=flaky ;;
        6) kind=flaky-notify options='notify flaky' service=('Type=notify' 'NotifyAccess=main') ;;
        7) kind=limit start_limit=$'StartLimitIntervalSec=10s\nStartLimitBurst=3' service=('Restart=on-failure' 'RestartSec=0') ;;
        esac
        cat <<-EOF
	[Unit]
	Description=Storm $n, $kind
	$start_limit
	[Service]
	ExecStart=/usr/local/bin/storm work /run/storm storm-$n.service $options
	$(printf '%s\n' "${service[@]}")
	[X-Synos]
	Supervise=yes
	RecoveryBackoff=0
	RecoveryBudget=1000/1min
	EOF
}

storm_setup() {
        local n
        mkdir -p "$storm_work/tree/etc/systemd/system" "$storm_work/tree/etc/synos/synd.conf.d" \
                "$storm_work/tree/usr/local/bin" "$storm_work/tree/run/storm"
        for ((n = 1; n <= storm_units; n++)); do
                storm_unit "$n" >"$storm_work/tree/etc/systemd/system/storm-$n.service"
        done
        printf '[Recovery]\nBackoff=0\nHostBudget=10000/1min\n' >"$storm_work/tree/etc/synos/synd.conf.d/storm.conf"
        # the journal is the truth: nothing may be left out of it
        mkdir -p "$storm_work/tree/etc/systemd/journald.conf.d"
        printf '[Journal]\nRateLimitBurst=0\n' >"$storm_work/tree/etc/systemd/journald.conf.d/storm.conf"
        cp "$STORM" "$storm_work/tree/usr/local/bin/storm"
        tar -C "$storm_work/tree" --owner=0 --group=0 -cf - . | on tar -C / --no-overwrite-dir -xf - &&
                on systemctl restart systemd-journald &&
                on systemctl daemon-reload &&
                on systemctl reload synd &&
                on sh -c 'systemctl start $(seq -f storm-%g.service '"$storm_units"')'
        storm_settle 60
}

storm_kill() {
        local kills=$1 interval=$2
        shift 2
        on storm kill "$storm_units" "$kills" "$interval" "$storm_seed" "$@"
}

# Runs in the host: all units run, and have for as long as journald may hold back its wake-ups.
storm_all_up() {
        # shellcheck disable=SC2016 # the host's shell expands it
        on sh -c '
                test "$(systemctl show -p ActiveState --value $(seq -f storm-%g.service '"$storm_units"') | grep -c "^active$")" = '"$storm_units"
}

storm_compare() {
        on journalctl --boot -o json --output-fields=UNIT,INVOCATION_ID,MESSAGE_ID,MESSAGE _PID=1 \
                >"$storm_work/journal" &&
                on synctl events --json --since 0 >"$storm_work/events" &&
                on sh -c 'cd /run/storm && grep -H . *' >"$storm_work/runs" &&
                "$storm_dir/storm-compare.py" "$storm_work/journal" "$storm_work/events" "$storm_work/runs"
}

storm_complete() { storm_all_up && storm_compare; }

# The journal may come half a second late, and the log with it.
storm_settle() { wait_for "$1" storm_complete; }

# The same, and what is wrong if it does not come to that.
storm_settled() { storm_settle "$1" || storm_compare; }

# One more process is killed: its unit comes back by synd.
storm_probe() {
        local u=storm-9.service pid before
        before=$(prop "$u" InvocationID) && pid=$(main_pid "$u") && on kill -KILL "$pid" &&
                wait_for 20 storm_is_another "$u" "$before"
}

storm_is_another() { [ "$(prop "$1" ActiveState)" = active ] && [ "$(prop "$1" InvocationID)" != "$2" ]; }

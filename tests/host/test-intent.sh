#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# synd acts against nobody: whatever a person, systemd, a package or a shutdown does to a supervised service is left alone,
# and the log says who it was.
. "$(dirname "$0")/../lib/host.sh"
# shellcheck source=tests/host/event-lib.sh
. "$(dirname "$0")/event-lib.sh"

# SERVICE [LINE…]: a supervised unit that would be brought back 100 ms after a failure. LINEs go on from its [Unit]
# section; without a [Service] line among them it runs until it is killed.
service() {
        local name=$1 lines run=$'[Service]\nExecStart=/bin/sleep infinity'
        shift
        lines=$(printf '%s\n' "$@")
        [[ $lines == *ExecStart=* ]] && run=''
        printf '%s\n' '[Unit]' "$lines" "$run" '[X-Synos]' 'Supervise=yes' 'RecoveryBackoff=100ms' 'RecoveryJitter=0' \
                'RecoveryBudget=100/1h' | "$TESTHOST" put "$HOST" - "/usr/lib/systemd/system/$name.service" --mode 644
}
exits_with_1=(
        '[Service]'
        "ExecStart=/bin/sh -c 'trap \"exit 1\" TERM; sleep infinity & wait'"
)
running() { # SERVICE…: started, and synd has seen it
        local at s
        at=$(last_seq)
        on systemctl start "${@/%/.service}"
        for s in "$@"; do
                await_event 60 $((at + 1)) "$s.service" service.started >/dev/null
        done
        mark
}
mark() { since=$(($(last_seq) + 1)); }
# SERVICE STATE INTENT [BY]: its service.stopped since the mark; from then on nothing is done, and it stays in that state.
left_alone() {
        local s=$1.service state=$2 intent=$3 by=${4:-} e
        if e=$(await_event 60 "$since" "$s" service.stopped); then
                check_eq "$what: intent" "$intent $by" "$(field 'd["intent"] + " " + d.get("by", "")' "$e")"
                check_eq "$what: intended" True "$(field 'd["intended"]' "$e")"
        else
                not_ok "$what: no service.stopped" "$e"
        fi
        untouched "$1" "$state"
}
untouched() { # SERVICE STATE: to be looked at later, see settle
        settling+=("$what|$since|$1.service|$2")
}
# Proves for all of them that nothing was done, without waiting for a time to pass: a control unit that has a longer
# back-off than they have is killed; when it is back, they would have been acted upon long before.
settle() { # CONTROL
        local line what since s state
        check 'time passes' control_passes "$1"
        for line in "${settling[@]}"; do
                IFS='|' read -r what since s state <<<"$line"
                check_eq "$what: zero counter-actions" '[]' "$(automatic "$since" "$s")"
                check_eq "$what: it stays" "$state" "$(prop "$s" ActiveState)"
        done
        settling=()
}
settling=()

host_boot
host_install
check 'synd answers' synd_up
for s in plain killed again masked prey later; do service $s; done
service rival 'Conflicts=prey.service'
service usurper 'Conflicts=displaced.service'
service parent
service part 'PartOf=parent.service'
service bound 'BindsTo=parent.service' 'After=parent.service'
service needy 'Requires=parent.service' 'After=parent.service'
service isolated
service sour "${exits_with_1[@]}"
service deaf '[Service]' "ExecStart=/bin/sh -c 'trap \"\" TERM; sleep infinity & wait; sleep infinity'" TimeoutStopSec=1
service stuck '[Service]' 'ExecStart=/bin/sleep infinity' 'ExecStop=/bin/sleep infinity' TimeoutStopSec=1
service own-restart '[Service]' 'ExecStart=/bin/sleep infinity' Restart=on-failure RestartSec=3
service impatient '[Service]' 'ExecStart=/bin/sleep infinity' Restart=on-failure RestartSec=2
service at-boot "${exits_with_1[@]}" '[Install]' 'WantedBy=multi-user.target'
for s in halted reset displaced driven-out; do
        service $s
        on mkdir -p /etc/systemd/system/$s.service.d
        unit $s.service.d/slow.conf <<'UNIT'
[X-Synos]
RecoveryBackoff=8s
UNIT
done
# Nobody supervises this one, and systemd does not know it before it is started.
unit intruder.service <<'UNIT'
[Unit]
Conflicts=driven-out.service
[Service]
ExecStart=/bin/sleep infinity
UNIT
unit quiet.target <<'UNIT'
[Unit]
AllowIsolate=yes
Requires=basic.target
After=basic.target
Wants=dbus.service polkit.service synd.service control.service slow-control.service
UNIT
daemon_reload
control control 2500ms
control slow-control 10s

what='systemctl stop'
running plain
on systemctl stop plain.service
left_alone plain inactive operator

what='systemctl kill with SIGTERM'
running killed
on systemctl kill killed.service
e=$(await_event 60 "$since" killed.service service.stopped)
check_eq "$what: it ended by itself, and well" 'none False' "$(field 'd["intent"], d["intended"]' "$e" | tr -d "(',)")"
untouched killed inactive

what='systemctl restart'
running again
on systemctl restart again.service
left_alone again active operator
check "$what: it is up again" await_event 60 "$since" again.service service.started
check_eq "$what: one start" 1 "$(events_eval 'len(es)' --since "$since" --service again.service --type service.starting)"

what='mask --now'
running masked
on systemctl mask --quiet --now masked.service
check "$what: it leaves supervision, or is stopped before" await_event 60 "$since" masked.service service.removed
untouched masked inactive

what='Conflicts='
running prey
on systemctl start rival.service
left_alone prey inactive conflict rival.service
check_eq "$what: the other one runs" active "$(prop rival.service ActiveState)"

what='PartOf='
running parent part
on systemctl stop parent.service
left_alone part inactive dependency parent.service

what='BindsTo='
running parent bound
on systemctl stop parent.service
left_alone bound inactive dependency parent.service

what='Requires='
running parent needy
on systemctl stop parent.service
left_alone needy inactive dependency parent.service
check_eq "$what: the parent stays" inactive "$(prop parent.service ActiveState)"

settle control

what='isolate'
running isolated
on systemctl isolate quiet.target
left_alone isolated inactive transaction quiet.target
on systemctl start default.target

what='its stop fails (exit status 1)'
running sour
on systemctl stop sour.service
left_alone sour failed operator

what='its stop is killed (SIGTERM is ignored)'
running deaf
on systemctl stop deaf.service
left_alone deaf failed operator

what='its stop command times out'
running stuck
on systemctl stop stuck.service
left_alone stuck failed operator

what='in its own RestartSec'
running own-restart
on systemctl kill --signal=KILL own-restart.service
check "$what: synd waits for systemd" await_event 60 "$since" own-restart.service recovery.waiting 'd["for"] == "systemd-restart"'
check "$what: it comes back" await_event 60 "$since" own-restart.service service.recovered
untouched own-restart active
check_eq "$what: systemd did it, once" "['systemd-restart']" \
        "$(events_eval '[e["data"]["intent"] for e in es]' --since "$since" --service own-restart.service --type service.starting)"

what='systemctl stop in its own RestartSec'
running impatient
on systemctl kill --signal=KILL impatient.service
check "$what: it is about to be restarted" wait_unit 20 impatient.service SubState=auto-restart
on systemctl stop impatient.service
check "$what: the recovery is cancelled" await_event 60 "$since" impatient.service recovery.cancelled
untouched impatient inactive

settle control

what='systemctl stop in the back-off of synd'
running halted
on systemctl kill --signal=KILL halted.service
check "$what: a restart is planned" await_event 60 "$since" halted.service recovery.scheduled
on systemctl stop halted.service
check "$what: it is cancelled" await_event 60 "$since" halted.service recovery.cancelled
untouched halted failed

what='systemctl reset-failed in the back-off of synd'
running reset
on systemctl kill --signal=KILL reset.service
check "$what: a restart is planned" await_event 60 "$since" reset.service recovery.scheduled
on systemctl reset-failed reset.service
check "$what: it is cancelled" await_event 60 "$since" reset.service recovery.cancelled
untouched reset inactive

what='Conflicts= of one that had failed'
running displaced
on systemctl kill --signal=KILL displaced.service
check "$what: a restart is planned" await_event 60 "$since" displaced.service recovery.scheduled
on systemctl start usurper.service
untouched displaced failed

what='Conflicts= of one that had failed, with a unit that is not supervised'
running driven-out
on systemctl kill --signal=KILL driven-out.service
check "$what: a restart is planned" await_event 60 "$since" driven-out.service recovery.scheduled
on systemctl start intruder.service
untouched driven-out failed

settle slow-control
check_eq 'Conflicts=: the other ones still run' 'active active' \
        "$(prop usurper.service ActiveState) $(prop intruder.service ActiveState)"
check_match 'Conflicts= of one that had failed: synd says why' 'usurper.service' "$(on synctl status displaced | cat)"

what='systemctl stop while synd is away'
running later
on systemctl stop synd.service
on systemctl stop later.service
on systemctl start synd.service
check 'synd is back' synd_up
left_alone later inactive operator

what='a stop that fails while synd is away'
running sour
on systemctl stop synd.service
on systemctl stop sour.service
on systemctl start synd.service
check 'synd is back' synd_up
left_alone sour failed operator

settle control

# ---- packages ----
# NAME VERSION STYLE: builds /root/NAME_VERSION.deb with maintainer scripts as debhelper makes them: stop in prerm and
# start in postinst, or a restart after the upgrade.
package() {
        on bash -es -- "$@" <<'SCRIPT'
name=$1 version=$2 style=$3 dir=$(mktemp -d)
mkdir -p "$dir/DEBIAN" "$dir/usr/lib/systemd/system"
cat >"$dir/DEBIAN/control" <<CONTROL
Package: $name
Version: $version
Architecture: all
Maintainer: Nobody <nobody@localhost>
Description: a supervised service in a package
CONTROL
cat >"$dir/usr/lib/systemd/system/$name.service" <<UNIT
[Unit]
Description=$name $version
[Service]
ExecStart=/bin/sh -c 'trap "exit 1" TERM; sleep infinity & wait'
[X-Synos]
Supervise=yes
RecoveryBackoff=100ms
RecoveryJitter=0
[Install]
WantedBy=multi-user.target
UNIT
cat >"$dir/DEBIAN/postinst" <<POSTINST
#!/bin/sh
set -e
if [ "\$1" = configure ]; then
        deb-systemd-helper enable $name.service >/dev/null
        systemctl --system daemon-reload
        if [ "$style" = restart ] && [ -n "\$2" ]; then verb=restart; else verb=start; fi
        deb-systemd-invoke \$verb $name.service
fi
POSTINST
cat >"$dir/DEBIAN/prerm" <<PRERM
#!/bin/sh
set -e
if [ "$style" = stop ] || [ "\$1" = remove ]; then
        deb-systemd-invoke stop $name.service
fi
PRERM
cat >"$dir/DEBIAN/postrm" <<POSTRM
#!/bin/sh
set -e
if [ "\$1" = remove ]; then systemctl --system daemon-reload; fi
if [ "\$1" = purge ]; then deb-systemd-helper purge $name.service >/dev/null; fi
POSTRM
chmod 755 "$dir"/DEBIAN/p*
dpkg-deb --root-owner-group --build "$dir" "/root/${name}_$version.deb" >/dev/null
rm -r "$dir"
SCRIPT
}
for style in stop restart; do
        name=pkg-$style
        what="upgrade of its package ($style)"
        package $name 1 $style
        package $name 2 $style
        check "$what: version 1" on dpkg -i /root/${name}_1.deb
        check "$what: it is supervised and up" await_event 60 1 $name.service service.started
        mark
        before=$(prop $name.service InvocationID)
        check "$what: version 2" on dpkg -i /root/${name}_2.deb
        left_alone $name active operator
        check_match "$what: the new version runs" '2$' "$(prop $name.service Description)"
        check_fails "$what: it was restarted" test "$before" = "$(prop $name.service InvocationID)"
        check_eq "$what: once, by dpkg" "['operator']" \
                "$(events_eval '[e["data"]["intent"] for e in es]' --since "$since" --service $name.service --type service.starting)"
        settle control
        what="removal of its package ($style)"
        mark
        check "$what" on dpkg --purge $name
        left_alone $name failed operator
        check "$what: it is no longer supervised" await_event 60 "$since" $name.service service.removed
done

settle control

# ---- shutdown ----
on systemctl enable --quiet at-boot.service
running sour deaf stuck plain at-boot parent bound
"$TESTHOST" poweroff "$HOST"
"$TESTHOST" boot "$HOST" >/dev/null
check 'synd is back after the boot' synd_up
check 'what is enabled is up' wait_unit 60 at-boot.service ActiveState=active
what='shutdown'
check 'time passes' control_passes control
check_eq "$what: zero counter-actions, then and since" '[]' "$(automatic "$since" \
        sour.service deaf.service stuck.service plain.service at-boot.service parent.service bound.service)"
for s in sour deaf stuck plain parent bound; do
        check_eq "$what: $s stays down" inactive "$(prop $s.service ActiveState)"
done
for s in sour deaf stuck plain at-boot parent bound; do
        e=$(await_event 60 "$since" $s.service service.stopped)
        check_eq "$what: intent of $s" 'shutdown' "$(field 'd["intent"]' "$e")"
done
check_eq 'what is enabled came by the boot' "['boot']" \
        "$(events_eval '[e["data"]["intent"] for e in es]' --since "$since" --service at-boot.service --type service.starting)"
finish

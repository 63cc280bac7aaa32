# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What test scripts ask synd's event log. Source it after host.sh.
#
#       last_seq                                the number of the newest event
#       synd_up                                 waits until synd answers (20 times what it takes)
#       await_event SECONDS SINCE SERVICE TYPE [EXPR]
#                                               the first such event from number SINCE on for which the Python expression
#                                               holds (d: its data, e: the event): prints it; fails at the time limit
#       events_eval EXPR ARGS…                  Python's value of EXPR over the events that synctl events ARGS lists:
#                                               es is the list of them, autos those actions that synd began by itself
#       field EXPR EVENT                        the same of one event as await_event prints it (e, d)
#       control                                 starts the control unit, see nothing_done
#       nothing_done NAME SINCE SERVICE…        proves that synd did nothing to the services from event SINCE on, without
#                                               waiting for a time to pass: a control unit with a longer back-off than all
#                                               of them is killed; when it is back they would have been back long before

last_seq() {
        on busctl get-property org.synos.Supervisor1 /org/synos/Supervisor1 org.synos.Supervisor1.Manager EventSequence |
                cut -d ' ' -f 2
}

synd_up() { wait_for 60 last_seq; }

event_python='
import json, sys
es = [json.loads(l) for l in sys.stdin if l.strip()]
autos = [e for e in es if e["type"] == "action.requested" and e["data"].get("automatic")]
if len(es) == 1:
    e = es[0]
    d = e["data"]
print(eval(sys.argv[1]))'

events_eval() {
        local expr=$1
        shift
        events "$@" | python3 -c "$event_python" "$expr"
}

field() { python3 -c "$event_python" "$1" <<<"$2"; }

await_event() {
        local end=$((SECONDS + $1 + 1)) since=$2 service=$3 type=$4 expr=${5:-True} line
        while [ "$SECONDS" -lt "$end" ]; do
                line=$(on timeout $((end - SECONDS)) synctl events -f --since "$since" --service "$service" --type "$type" \
                        --limit 1 --json 2>/dev/null) || break
                if [ "$(field "bool($expr)" "$line")" = True ]; then
                        printf '%s\n' "$line"
                        return 0
                fi
                since=$(($(field 'e["seq"]' "$line") + 1))
        done
        diag "no $type of $service with $expr within $1 s; what there is from $3 on:" >&2
        on synctl events --service "$service" --limit 12 --no-pager >&2
        return 1
}

control() {
        unit control.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
RecoveryBackoff=2500ms
RecoveryJitter=0
RecoveryBudget=1000/1h
[Install]
WantedBy=multi-user.target
UNIT
        daemon_reload
        on systemctl start control.service
}

nothing_done() {
        local name=$1 since=$2 at args=() s
        shift 2
        at=$(last_seq)
        on systemctl kill --signal=KILL control.service
        if ! await_event 60 $((at + 1)) control service.recovered >/dev/null; then
                not_ok "$name" 'the control unit did not come back'
                return
        fi
        for s in "$@"; do
                args+=(--service "$s")
        done
        check_eq "$name" '[]' "$(events_eval '[(e["seq"], e["service"], e["data"]["reason"]) for e in autos]' \
                --since "$since" "${args[@]}")"
}

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
#                                               es is the list of them, autos those actions that synd began by itself,
#                                               at(e) the time of one in seconds, most(es, s) how many of them are within any
#                                               span of s seconds
#       field EXPR EVENT                        the same of one event as await_event prints it (e, d)
#       control NAME BACKOFF                    starts a control unit
#       control_passes NAME                     a time passes that is longer than all that synd may wait for with units that
#                                               have a shorter back-off than the control unit: it is killed, and is back
#       automatic SINCE SERVICE…                what synd did to them by itself from event SINCE on: a list, [] = nothing

last_seq() {
        local out
        out=$(on busctl --auto-start=no get-property org.synos.Supervisor1 /org/synos/Supervisor1 \
                org.synos.Supervisor1.Manager EventSequence) && printf '%s\n' "${out#t }"
}

synd_up() { wait_for 60 last_seq; }

event_python='
import datetime, json, sys
def at(e): return datetime.datetime.fromisoformat(e["time"].replace("Z", "+00:00")).timestamp()
def most(es, span):
    times = sorted(map(at, es))
    return max((sum(t <= u < t + span for u in times) for t in times), default=0)
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
                        --limit 1 --json 2>/dev/null) || line=''
                if [ -z "$line" ]; then
                        # synd does not run at the moment, or time is over
                        [ "$SECONDS" -ge "$end" ] || wait_for $((end - SECONDS)) last_seq >/dev/null || break
                        continue
                fi
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
        unit "$1.service" <<UNIT
[Service]
ExecStart=/bin/sleep infinity
[X-Synos]
Supervise=yes
RecoveryBackoff=$2
RecoveryJitter=0
RecoveryBudget=1000/1h
[Install]
WantedBy=multi-user.target
UNIT
        daemon_reload
        on systemctl enable --quiet --now "$1.service"
}

control_passes() {
        local at
        at=$(last_seq)
        on systemctl kill --signal=KILL "$1.service"
        await_event 120 $((at + 1)) "$1.service" service.recovered >/dev/null
}

automatic() {
        local since=$1 args=() s
        shift
        for s in "$@"; do
                args+=(--service "$s")
        done
        events_eval '[(e["seq"], e["service"], e["data"]["reason"]) for e in autos]' --since "$since" "${args[@]}"
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Results of a test script: TAP lines, and "N passed, N failed" as the last line. Source it, then
#
#       check NAME COMMAND…             passes when the command succeeds; its output is shown when it fails
#       check_fails NAME COMMAND…       passes when the command fails
#       check_eq NAME EXPECTED ACTUAL
#       check_match NAME REGEX TEXT     (extended regular expression)
#       ok NAME / not_ok NAME [WHY]     for what the script has decided itself
#       diag TEXT                       a comment line
#       skip_all REASON                 ends the script with 77
#       finish                          plan, closing line; exit status 1 when something failed or nothing ran

tap_passed=0
tap_failed=0

diag() {
        local line
        while IFS= read -r line; do
                printf '# %s\n' "$line"
        done <<<"$*"
}

ok() {
        tap_passed=$((tap_passed + 1))
        printf 'ok %d - %s\n' $((tap_passed + tap_failed)) "$1"
}

not_ok() {
        tap_failed=$((tap_failed + 1))
        printf 'not ok %d - %s\n' $((tap_passed + tap_failed)) "$1"
        [ $# -lt 2 ] || diag "$2"
        return 0
}

check() {
        local name=$1 output rc=0
        shift
        output=$("$@" 2>&1) || rc=$?
        if [ "$rc" -eq 0 ]; then
                ok "$name"
        else
                not_ok "$name" "$* exited with $rc"$'\n'"$output"
        fi
}

check_fails() {
        local name=$1 output
        shift
        if output=$("$@" 2>&1); then
                not_ok "$name" "$* succeeded"$'\n'"$output"
        else
                ok "$name"
        fi
}

check_eq() {
        if [ "$2" = "$3" ]; then
                ok "$1"
        else
                not_ok "$1" "expected: $2"$'\n'"actual:   $3"
        fi
}

check_match() {
        if [[ $3 =~ $2 ]]; then
                ok "$1"
        else
                not_ok "$1" "expected to match: $2"$'\n'"actual: $3"
        fi
}

skip_all() {
        printf '1..0 # SKIP %s\n' "$*"
        printf 'skipped: %s\n' "$*" >&2
        exit 77
}

finish() {
        printf '1..%d\n' $((tap_passed + tap_failed))
        printf '%d passed, %d failed\n' "$tap_passed" "$tap_failed"
        if [ "$tap_failed" -gt 0 ] || [ "$tap_passed" -eq 0 ]; then
                exit 1
        fi
        exit 0
}

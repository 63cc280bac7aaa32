#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# host/unit-path finds the same fragment, the same names and the same drop-ins in the same order as PID 1 itself, for
# random unit files of every kind. ZOO_SEED=N repeats one run, ZOO_RUNS=N makes more of them.
. "$(dirname "$0")/../lib/host.sh"

zoo=$(dirname "$(readlink -f "$0")")/unit-zoo.py
work=$(mktemp -d)
trap 'rm -rf "$work"; host_cleanup' EXIT
first=${ZOO_SEED:-$RANDOM$RANDOM}
runs=${ZOO_RUNS:-8}
diag "seeds: $first and the next $((runs - 1)) (ZOO_SEED=$first)"

host_boot
"$TESTHOST" put "$HOST" "$UNIT_PATHS" /usr/local/bin/unit-paths --mode 755

# shellcheck disable=SC2016 # the host's shell expands it
clean='for d in /etc /run /usr/local/lib /usr/lib; do rm -rf $d/systemd/system/zoo* $d/systemd/system/service.d; done; rm -rf /srv/zoo'

one_run() {
        local seed=$1 dir=$work/$1
        mkdir -p "$dir/tree"
        "$zoo" make "$seed" "$dir/tree" >"$dir/names" &&
                on sh -c "$clean" &&
                tar -C "$dir/tree" --owner=0 --group=0 -cf - . | on tar -C / --keep-directory-symlink --no-overwrite-dir -xf - &&
                daemon_reload &&
                on xargs -d '\n' systemctl show -p Id,Names,LoadState,FragmentPath,DropInPaths -- \
                        <"$dir/names" >"$dir/systemd" &&
                on xargs -d '\n' unit-paths <"$dir/names" >"$dir/ours" &&
                "$zoo" compare "$dir/names" "$dir/systemd" "$dir/ours"
}

for ((i = 0; i < runs; i++)); do
        check "unit files of seed $((first + i))" one_run $((first + i))
done
finish

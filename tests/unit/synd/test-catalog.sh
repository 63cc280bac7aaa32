#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every MESSAGE_ID of the daemon has a text in the catalogue, every text belongs to one, and the texts name only what exists.
. "$(dirname "$(readlink -f "$0")")/../../lib/tap.sh"
source=$1
catalog=$source/data/synos.catalog

used=$(sed -nE 's/^ +\{ EVENT_[A-Z_]+, LOG_[A-Z]+, "([0-9a-f]{32})" \},$/\1/p' "$source/src/synd/announce.c")
all=$(grep -ohE '"[0-9a-f]{32}"' "$source"/src/synd/*.c | tr -d '"')
told=$(sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' "$catalog")
head_of() { sed -n "/^-- $1\$/,/^\$/p" "$catalog"; }

check 'there are ids' test -n "$used"
check_eq 'all ids of the source are in the table' "$(sort <<<"$all")" "$(sort <<<"$used")"
check_eq 'no id twice' '' "$(sort <<<"$used" | uniq -d)"
check_eq 'no text twice' '' "$(sort <<<"$told" | uniq -d)"
check_eq 'the catalogue has the same ids' "$(sort <<<"$used")" "$(sort <<<"$told")"
check_eq 'no heading twice' '' "$(grep '^Subject: ' "$catalog" | sort | uniq -d)"
for id in $told; do
        check_match "$id has subject and origin" 'Subject: .+Defined-By: synd.+Documentation: man:' "$(head_of "$id")"
done
check_eq 'fields in the texts are those we send' '' \
        "$(grep -oE '@[A-Z_]+@' "$catalog" | grep -vxE '@SYNOS_(UNIT|EVENT|SEQ)@')"
if command -v journalctl >/dev/null; then
        root=$(mktemp -d)
        trap 'rm -rf "$root"' EXIT
        install -D -m 644 "$catalog" "$root/usr/lib/systemd/catalog/synos.catalog"
        check 'systemd compiles it' journalctl --update-catalog --root="$root"
        check 'systemd finds a text' grep -q 'Defined-By: synd' "$root/var/lib/systemd/catalog/database"
fi
finish

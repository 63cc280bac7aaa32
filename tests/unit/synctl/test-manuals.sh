#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# synctl(1) tells every verb and option that "synctl help" knows, and synos-events(7) every type of event.
set -eu
synctl=$1 source=$2
failed=0
miss() {
        echo "$1 does not tell $2"
        failed=1
}
# The manual as text: no backslashes, no macros.
text() { sed -e 's/\\-/-/g; s/\\[a-z]*\[[^]]*\]//g; s/\\f[A-Z]//g' "$source/man/$1"; }

manual=$(text synctl.1)
verbs=$("$synctl" __complete '' | cut -f1)
options=$("$synctl" __complete -- | cut -f1 | tr -d =)
[ "$(echo "$verbs" | wc -l)" -gt 20 ] && [ "$(echo "$options" | wc -l)" -gt 15 ]
for verb in $verbs; do
        echo "$manual" | grep -qE -e "^\\.(B|BI|BR) \"?$verb( |\$|\")" || miss 'synctl(1)' "$verb"
done
for option in $options; do
        echo "$manual" | grep -qF -e "$option" || miss 'synctl(1)' "$option"
done
manual=$(text synos-events.7)
for type in $(sed -n 's/^#define EVENT_[A-Z_]* "\([^"]*\)".*/\1/p' "$source/src/core/event.h"); do
        echo "$manual" | grep -qxF -e ".B $type" || miss 'synos-events(7)' "$type"
done
exit $failed

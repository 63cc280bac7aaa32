/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the tests of synctl share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/json.h"
#include "basic/string.h"
#include "synctl/term.h"

static const Term plain_term = { .utf8 = true };
_unused_ static const Term wide_term = { .tty = true, .utf8 = true, .columns = 140, .rows = 40 };
_unused_ static const Term narrow_term = { .tty = true, .utf8 = true, .columns = 80, .rows = 24 };
_unused_ static const Term ascii_term = { .tty = true, .columns = 80, .rows = 24 };

/* 2026-11-24 14:06:12 UTC; the tests run in that zone. */
#define NOW ((usec_t) 1795529172 * USEC_PER_SEC)

/* JSON with ' for ", so that tests can be read. */
_unused_ static Json *json_of(const char *text) {
        _cleanup_free_ char *copy = strdup(text), *error = NULL;
        Json *j = NULL;

        assert_non_null(copy);
        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        if (json_parse(copy, strlen(copy), SIZE_MAX, &j, &error) < 0)
                fail_msg("bad JSON in the test: %s", error ?: "?");
        return j;
}

_unused_ static void assert_contains(const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("no \"%s\" in:\n%s", part, text);
}

_unused_ static void assert_lacks(const char *text, const char *part) {
        if (strstr(text, part))
                fail_msg("\"%s\" in:\n%s", part, text);
}

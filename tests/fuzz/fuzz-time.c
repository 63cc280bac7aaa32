/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "basic/string.h"
#include "basic/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const usec_t now = UINT64_C(1795528992204113);
        _cleanup_free_ char *s = strndup((const char *) data, size), *clean = NULL;
        char buf[FORMAT_RFC3339_MAX];
        usec_t t = 0, again;

        CHECK(s);
        if (parse_rfc3339(s, &t) == 0) {
                CHECK(parse_rfc3339(format_rfc3339(t, buf), &again) == 0 && again == t);
                CHECK(parse_timestamp(s, now, &again) == 0 && again == t);
        }
        if (parse_timestamp(s, now, &t) == 0)
                CHECK(t != USEC_INFINITY);
        if (parse_span(s, &t) == 0) {
                _cleanup_free_ char *text = NULL;

                CHECK(format_span(t, 0, &text) == 0);
                CHECK(parse_span(text, &again) == 0 && again == t);
        }
        CHECK(str_sanitize(s, 40, &clean) == 0);
        CHECK(strlen(clean) <= 43 && utf8_is_valid(clean, strlen(clean)));
        return 0;
}

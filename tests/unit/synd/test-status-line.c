/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/status-line.h"

#include "basic/string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void check(const char *expected, size_t services, size_t failed, char *const *reasons) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(status_line_text(services, failed, reasons, &text), 0);
        assert_string_equal(text, expected);
}

static void texts(void **state) {
        check("Supervising 0 services.", 0, 0, NULL);
        check("Supervising 1 service.", 1, 0, (char *[]) { NULL });
        check("Supervising 200 services, 3 failed.", 200, 3, NULL);
        check("Degraded: no connection to systemd. Supervising 2 services.", 2, 0,
              (char *[]) { (char *) "no connection to systemd", NULL });
        check("Degraded: a, b. Supervising 2 services, 2 failed.", 2, 2, (char *[]) { (char *) "a", (char *) "b", NULL });
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(texts) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

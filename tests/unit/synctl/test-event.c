/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "core/event.h"
#include "synctl/event-view.h"
#include "synctl/text.h"

static void test_line(void **state) {
        _cleanup_json_ Json *e = json_of(
                        "{'seq':88121,'type':'service.failed','time':'2026-11-24T14:03:12.231000Z','unit':"
                        "'web.service','service':'web','data':{'result':'signal','exec_code':2,'exec_status':9}}");
        _cleanup_strbuf_ StrBuf b = {}, full = {}, narrow = {};

        assert_int_equal(event_line(e, &wide_term, false, NOW, &b), 0);
        assert_true(startswith(b.data, "14:03:12.231   88121  service.failed         web               failed") !=
                    NULL);
        assert_contains(b.data, "KILL");
        assert_int_equal(event_line(e, &narrow_term, true, NOW, &full), 0);
        assert_true(startswith(full.data, "2026-11-24T14:03:12.231000Z") != NULL);
        Term tiny = narrow_term;
        tiny.columns = 60;
        assert_int_equal(event_line(e, &tiny, false, NOW, &narrow), 0);
        assert_int_equal(text_width(narrow.data), 60);
}

/* What comes from outside cannot steer the terminal, and a broken event is still a line. */
static void test_hostile(void **state) {
        _cleanup_json_ Json *e =
                        json_of("{'seq':1,'type':'action.refused','service':'a\\u001b[2J','data':{'verb':'restart',"
                                "'reason':'no\\u001b]0;x\\u0007'}}");
        _cleanup_json_ Json *empty = json_of("{'type':'x\\u001b]0;y\\u0007'}"),
                            *odd = json_of("{'seq':'x','type':7,'time':true,'data':[]}");
        _cleanup_strbuf_ StrBuf b = {};

        assert_int_equal(event_line(e, &wide_term, false, NOW, &b), 0);
        assert_int_equal(event_line(empty, &wide_term, false, NOW, &b), 0);
        assert_int_equal(event_line(odd, &wide_term, false, NOW, &b), 0);
        assert_lacks(b.data, "\033");
        assert_lacks(b.data, "\a");
}

static void test_style(void **state) {
        _cleanup_json_ Json *done = json_of("{'type':'action.finished','data':{'result':'done'}}"),
                            *failed = json_of("{'type':'action.finished','data':{'result':'failed'}}"),
                            *other = json_of("{'type':'of.the.future','data':{}}");

        assert_int_equal(event_style(done), STYLE_GOOD);
        assert_int_equal(event_style(failed), STYLE_BAD);
        assert_int_equal(event_style(other), STYLE_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_line),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_style),
        };
        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

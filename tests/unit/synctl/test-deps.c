/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/deps-view.h"

static const char graph[] = "[{'name':'api','unit':'api.service','status':'degraded','dependencies':["
                            "{'from':'api.service','to':'db.service','kind':'requires'},{'from':'api.service','to':'"
                            "db.service','kind':'depends-on'}]},"
                            "{'name':'worker','unit':'worker.service','status':'running','dependencies':["
                            "{'from':'worker.service','to':'api.service','kind':'wants'},{'from':'worker.service','to'"
                            ":'gone.service','kind':"
                            "'depends-on','missing':true}]},"
                            "{'name':'db','unit':'db.service','status':'failed','dependencies':["
                            "{'from':'api.service','to':'db.service','kind':'requires'}]}]";

static void load(const char *text, Deps *d) {
        _cleanup_json_ Json *j = json_of(text);
        assert_int_equal(deps_from_json(j, d), 0);
}

static void test_tree(void **state) {
        _cleanup_(deps_done) Deps d = {};
        _cleanup_strbuf_ StrBuf one = {}, all = {}, ascii = {};

        load(graph, &d);
        assert_int_equal(d.n_nodes, 4);
        assert_int_equal(d.n_edges, 3);
        assert_int_equal(deps_format_tree(&d, "api.service", &plain_term, &one), 0);
        assert_string_equal(one.data, "▲ api (degraded) needs\n"
                                      "  └─× db (failed)  requires, depends-on\n"
                                      "\n"
                                      "▲ api (degraded) is needed by\n"
                                      "  └─● worker  wants\n");
        assert_int_equal(deps_format_tree(&d, NULL, &plain_term, &all), 0);
        assert_string_equal(all.data, "● worker\n"
                                      "  ├─▲ api (degraded)  wants\n"
                                      "  │ └─× db (failed)  requires, depends-on\n"
                                      "  └─× gone.service (missing)  depends-on\n");
        assert_int_equal(deps_format_tree(&d, NULL, &ascii_term, &ascii), 0);
        for (const char *p = ascii.data; *p; p++)
                assert_true((unsigned char) *p < 0x80);
}

static void test_circle(void **state) {
        _cleanup_(deps_done) Deps d = {};
        _cleanup_strbuf_ StrBuf b = {};

        load("[{'name':'a','unit':'a.service','status':'running','dependencies':[{'from':'a.service','to':'b.service',"
             "'kind':"
             "'requires'},{'from':'b.service','to':'c.service','kind':'wants'},{'from':'c.service','to':'b.service','"
             "kind':"
             "'depends-on'}]},{'name':'b','unit':'b.service','status':'running'},{'name':'c','unit':'c.service','"
             "status':"
             "'running'}]",
             &d);
        assert_int_equal(deps_format_tree(&d, "a.service", &plain_term, &b), 0);
        assert_contains(b.data, "(a circle)");
}

static void test_dot(void **state) {
        _cleanup_(deps_done) Deps d = {};
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *text = NULL;

        load(graph, &d);
        assert_int_equal(deps_format_dot(&d, "db.service", &b), 0);
        assert_contains(b.data, "\"api.service\" -> \"db.service\" [label=\"requires, depends-on\"];");
        assert_contains(b.data, "\"worker.service\" -> \"api.service\"");
        assert_lacks(b.data, "gone.service"); /* neither needs db nor is needed by it */
        assert_int_equal(deps_to_json(&d, "db.service", &j), 0);
        assert_int_equal(json_length(json_get(j, "nodes")), 3);
        assert_int_equal(json_format(json_get(j, "edges"), &text), 0);
        assert_contains(text,
                        "{\"from\":\"api.service\",\"to\":\"db.service\",\"kinds\":[\"requires\",\"depends-on\"]}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tree),
                cmocka_unit_test(test_circle),
                cmocka_unit_test(test_dot),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

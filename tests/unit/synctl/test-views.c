/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "synctl/client.h"
#include "synctl/list-view.h"
#include "synctl/status-view.h"
#include "synctl/text.h"
#include "synctl/why-view.h"

static ServiceRow rows[] = {
        { .name = "api",
          .unit = "api.service",
          .type = "integration",
          .status = "running",
          .active = "active",
          .sub = "running",
          .health = 1,
          .since = NOW - 2 * USEC_PER_HOUR - 14 * USEC_PER_MINUTE,
          .phase = "idle",
          .detail = "",
          .path = "/x/api",
          .granted = true },
        { .name = "postgresql",
          .unit = "postgresql.service",
          .type = "infrastructure",
          .status = "failed",
          .active = "failed",
          .sub = "failed",
          .health = 0,
          .since = NOW - 3 * USEC_PER_MINUTE,
          .restarts = 2,
          .phase = "backoff",
          .detail = "restart 3 of 5 in 48s",
          .path = "/x/pg",
          .granted = true },
        { .name = "batch",
          .unit = "batch.service",
          .type = "integration",
          .status = "stopped",
          .active = "inactive",
          .sub = "dead",
          .health = -1,
          .since = NOW - 6 * USEC_PER_DAY,
          .phase = "idle",
          .detail = "",
          .path = "/x/batch" },
};

static void check_widths(const char *text, unsigned columns) {
        _cleanup_free_ char *copy = strdup(text);

        for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (text_width(line) > columns)
                        fail_msg("wider than %u: %s", columns, line);
}

static void test_list(void **state) {
        const ServiceList l = { .rows = rows, .n = ELEMENTSOF(rows) };
        _cleanup_strbuf_ StrBuf wide = {}, narrow = {}, full = {}, plain = {}, empty = {};
        const ServiceList none = {};

        assert_int_equal(list_format(&l, &wide_term, true, false, NOW, &wide), 0);
        assert_contains(wide.data, "  SERVICE     TYPE            STATUS   HEALTH  SINCE     RESTARTS  DETAIL\n");
        assert_contains(wide.data, "● api         integration     running    1.00  2h 14min         0\n");
        assert_contains(wide.data,
                        "× postgresql  infrastructure  failed     0.00  3min             2  restart 3 of 5 in 48s\n");
        assert_contains(wide.data, "○ batch       integration     stopped       -  6d               0  not granted\n");
        assert_contains(wide.data, "\n3 services: 1 running, 1 failed, 1 stopped.\n");
        assert_int_equal(list_format(&l, &narrow_term, true, false, NOW, &narrow), 0);
        check_widths(narrow.data, 80);
        assert_int_equal(list_format(&l, &wide_term, true, true, NOW, &full), 0);
        assert_contains(full.data, "2026-11-24 14:03:12");
        assert_int_equal(list_format(&l, &plain_term, false, false, NOW, &plain), 0);
        assert_lacks(plain.data, "SERVICE");
        assert_lacks(plain.data, "services:");
        assert_int_equal(list_format(&none, &wide_term, true, false, NOW, &empty), 0);
        assert_contains(empty.data, "synctl adopt");
}

static void test_list_json(void **state) {
        const ServiceList l = { .rows = rows + 2, .n = 1 };
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(list_to_json(&l, &j), 0);
        assert_int_equal(json_format(j, &text), 0);
        assert_string_equal(text, "[{\"name\":\"batch\",\"unit\":\"batch.service\",\"type\":\"integration\","
                                  "\"status\":\"stopped\","
                                  "\"active_state\":\"inactive\",\"sub_state\":\"dead\",\"phase\":\"idle\",\"phase_"
                                  "detail\":\"\","
                                  "\"path\":\"/x/"
                                  "batch\",\"health\":null,\"since\":\"2026-11-18T14:06:12.000000Z\",\"restarts\":0,"
                                  "\"granted\":false,\"maintenance\":false,\"protected\":false}]");
}

static void test_select(void **state) {
        ServiceRow copy[ELEMENTSOF(rows)];
        ServiceList l = { .rows = copy, .n = ELEMENTSOF(rows) };
        char *patterns[] = { (char *) "*a*", (char *) "postgresql.service" };
        char *unknown[] = { (char *) "api", (char *) "apo" };

        memcpy(copy, rows, sizeof(rows));
        assert_null(services_select(&l, patterns, 2));
        assert_int_equal(l.n, 3);
        assert_string_equal(l.rows[1].name, "batch"); /* in order of name */
        assert_string_equal(services_select(&l, unknown, 2), "apo");
        assert_true(service_row_matches(rows, "api"));
        assert_true(service_row_matches(rows, "api.service"));
        assert_false(service_row_matches(rows, "api.serv"));
        assert_true(service_row_matches(rows, "a?i"));
}

static const char service[] =
                "{'name':'postgresql','unit':'postgresql.service','type':'infrastructure','granted':true,'seen':true,'"
                "status':'failed',"
                "'status_since':'2026-11-24T14:03:12Z','health_score':0.0,'start_intent':'operator','stop_intent':'"
                "none',"
                "'last_error':'main process killed by "
                "SIGKILL','last_error_at':'2026-11-24T14:03:12.204Z','restarts':2,'errors':3,"
                "'maintenance':{'on':false},'recovery':{'enabled':true,'phase':'backoff','attempt':3,'mode':'backoff',"
                "'due':'2026-11-24T14:07:00Z','budget':{'used':2,'limit':5,'window_usec':600000000},'slow_retry_usec':"
                "300000000},"
                "'systemd':{'load_state':'loaded','active_state':'failed','sub_state':'failed','result':'signal','"
                "auto_restart':false,"
                "'invocation':'5c1f0000000000000000000000000000'},"
                "'dependencies':[{'from':'api.service','to':'postgresql.service','kind':'requires','name':'api','"
                "status':'degraded'}],"
                "'fields':[{'key':'Supervise','value':'yes','file':'/etc/systemd/system/postgresql.service.d/"
                "50-synos.conf','line':3}],"
                "'problems':[{'file':'/etc/x.conf','line':7,'reason':'unknown key Foo='}]}";

static void test_status(void **state) {
        _cleanup_json_ Json *s = json_of(service),
                            *events = json_of("[{'seq':5,'type':'service.failed','time':'2026-11-24T14:03:12Z','data':"
                                              "{'result':'signal','exec_code':2,'exec_status':9}}]");
        _cleanup_strbuf_ StrBuf b = {}, narrow = {};

        assert_int_equal(status_format(s, events, "line of the log\n", NULL, &wide_term, false, NOW, &b), 0);
        assert_contains(b.data, "× postgresql - infrastructure\n");
        assert_contains(b.data, "    Status: failed since 14:03:12 (3min ago), health 0.00\n");
        assert_contains(b.data, "       Why: main process killed by SIGKILL at 14:03:12.204\n");
        assert_contains(b.data, "      Next: restart at 14:07:00 (in 48s); budget 2/5 in 10min, then every 5min\n");
        assert_contains(b.data, "      Deps: needs -; needed by api (degraded)\n");
        assert_contains(b.data, "   Granted: start stop restart reload reset-failed (by "
                                "/etc/systemd/system/postgresql.service.d/50-synos.conf:3)\n");
        assert_contains(b.data, "    Config: /etc/x.conf:7 unknown key Foo=\n");
        assert_contains(b.data, "    Lately: 14:03:12.000 failed");
        assert_contains(b.data, "\nline of the log\n");
        assert_int_equal(status_exit(s), CTL_NOT_ACTIVE);
        assert_int_equal(status_format(s, NULL, NULL, "no log", &narrow_term, false, NOW, &narrow), 0);
        check_widths(narrow.data, 80);
        assert_contains(narrow.data, "\nno log\n");
}

/* The least that a synd may say is still a page. */
static void test_status_sparse(void **state) {
        _cleanup_json_ Json *
                        s = json_of("{'name':'\\u001b[2J','unit':'x.service','status':'running','health_score':null}"),
                       *empty = json_of("{}");
        _cleanup_strbuf_ StrBuf b = {};

        assert_int_equal(status_format(s, NULL, NULL, NULL, &wide_term, false, NOW, &b), 0);
        assert_int_equal(status_format(empty, NULL, NULL, NULL, &wide_term, false, NOW, &b), 0);
        assert_lacks(b.data, "\033");
        assert_contains(b.data, "synctl adopt x.service"); /* nothing says that it is granted */
}

static void test_why(void **state) {
        _cleanup_json_ Json *j =
                        json_of("{'subject':'web','unit':'web.service','seq':30,'more':false,'chain':["
                                "{'seq':10,'type':'service.failed','time':'2026-11-24T14:03:12Z','unit':'web.service',"
                                "'service':'web','data':"
                                "{'result':'signal','exec_code':2,'exec_status':9,'intent':'none','origin':'live'}},"
                                "{'seq':20,'cause_seq':10,'type':'recovery.scheduled','time':'2026-11-24T14:03:12."
                                "027Z','unit':'web.service',"
                                "'service':'web','data':{'attempt':1,'delay_usec':500000,'budget_used':1,'budget_"
                                "limit':5,'rule':{'file':"
                                "'/etc/systemd/system/web.service.d/50-synos.conf','line':7}}},"
                                "{'seq':30,'cause_seq':20,'type':'action.finished','time':'2026-11-24T14:03:13Z','"
                                "unit':'web.service','service':"
                                "'web','data':{'action':'0191c2','verb':'restart','result':'failed','job':4711,'error'"
                                ":'timed out'}}]}");
        _cleanup_strbuf_ StrBuf b = {}, narrow = {};

        assert_int_equal(why_format(j, &wide_term, false, NOW, &b), 0);
        const char *act = strstr(b.data, "web: restart failed"), *rule = strstr(b.data, "50-synos.conf:7"),
                   *first = strstr(b.data, "─ failed");
        assert_true(act && rule && first && act < rule && rule < first); /* the newest on top */
        assert_contains(b.data, "job 4711");
        assert_contains(b.data, "+27ms]");
        assert_contains(b.data, "nobody asked for it");
        assert_contains(b.data, "unit: Result=signal, ExecMainStatus=9 (SIGKILL)");
        assert_contains(b.data, "chain: 3 records, from the first observation on\n");
        assert_int_equal(why_format(j, &narrow_term, false, NOW, &narrow), 0);
        check_widths(narrow.data, 80);
}

/* A service that fails again and again has a long chain: its ends are shown, all of it with --full. */
static void test_why_long(void **state) {
        _cleanup_strbuf_ StrBuf text = {}, b = {}, all = {};

        strbuf_append(&text, "{'chain':[");
        for (unsigned i = 1; i <= 20; i++)
                strbuf_appendf(&text, "%s{'seq':%u%s,'type':'e%u.x','data':{}}", i > 1 ? "," : "", i + 100,
                               i == 1 ? "" : ",'cause_seq':0", i);
        strbuf_append(&text, "]}");
        _cleanup_json_ Json *j = json_of(text.data);
        for (unsigned i = 1; i < 20; i++)
                assert_int_equal(json_set_uint(json_at(json_get(j, "chain"), i), "cause_seq", i + 100), 0);
        assert_int_equal(why_format(j, &narrow_term, false, NOW, &b), 0);
        assert_contains(b.data, "e20.x");
        assert_contains(b.data, "e15.x");
        assert_lacks(b.data, "e14.x");
        assert_contains(b.data, "12 records between (synctl why 114, or all with --full)");
        assert_lacks(b.data, "e3.x");
        assert_contains(b.data, "e2.x");
        assert_contains(b.data, "e1.x");
        assert_contains(b.data, "chain: 20 records, from the first observation on");
        check_widths(b.data, 80);
        assert_int_equal(why_format(j, &narrow_term, true, NOW, &all), 0);
        assert_contains(all.data, "e9.x");
}

static void test_why_broken(void **state) {
        _cleanup_json_ Json *cut = json_of("{'chain':[{'seq':10,'cause_seq':4,'type':'x','data':{}}]}"),
                            *wrong = json_of("{'chain':[{'seq':10,'type':'x'},{'seq':11,'cause_seq':9,'type':'y'}]}"),
                            *empty = json_of("{}");
        _cleanup_strbuf_ StrBuf a = {}, b = {}, c = {};

        assert_int_equal(why_format(cut, &plain_term, false, NOW, &a), 0);
        assert_contains(a.data, "no longer in the log");
        assert_int_equal(why_format(wrong, &plain_term, false, NOW, &b), 0);
        assert_contains(b.data, "NOT linked");
        assert_int_equal(why_format(empty, &plain_term, false, NOW, &c), 0);
}

static void check_error(const char *name, const char *message, int status, const char *part) {
        const sd_bus_error e = { .name = name, .message = message };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(client_error_text("restart", "web", &e, -EIO, &text), status);
        assert_contains(text, part);
}

/* What, why, what next. */
static void test_errors(void **state) {
        check_error("org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable", CTL_NO_SYND,
                    "Cannot restart web: synd is not running. As root: systemctl start synd.service");
        check_error(SYND_ERROR "NotGranted",
                    "Cannot restart web: it is not granted. Its unit file has no Supervise=yes; as root: synctl adopt "
                    "web.service",
                    CTL_REFUSED,
                    "Cannot restart web: it is not granted. Its unit file has no Supervise=yes; as root: synctl adopt "
                    "web.service");
        check_error(SYND_ERROR "NotGranted", "It is not granted.", CTL_REFUSED,
                    "Cannot restart web: it is not granted. As root: synctl adopt web");
        check_error(SYND_ERROR "Denied", "Not authorized.", CTL_NOT_PERMITTED, "not authorized. Use sudo");
        check_error(SYND_ERROR "NoSuchService", "There is no supervised service web.", CTL_NO_SUCH,
                    "See: synctl list");
        check_error("org.example.Unheard", "Odd", CTL_FAILED, "Cannot restart web: odd");
        check_error(SYND_ERROR "Busy", "a\033[2Jb", CTL_REFUSED, "a\\x1b[2Jb");
        check_error(NULL, NULL, CTL_FAILED, "Cannot restart web: input/output error.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list),       cmocka_unit_test(test_list_json),     cmocka_unit_test(test_select),
                cmocka_unit_test(test_status),     cmocka_unit_test(test_status_sparse), cmocka_unit_test(test_why),
                cmocka_unit_test(test_why_broken), cmocka_unit_test(test_why_long),      cmocka_unit_test(test_errors),
        };
        setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

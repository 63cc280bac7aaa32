/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>

#include "basic/conf.h"
#include "basic/string.h"
#include "basic/time.h"

/* What was parsed, as "LINE:[SECTION]KEY=VALUE|" and "LINE!REASON|". */
static int note_line(const ConfLine *l, void *userdata) {
        return strbuf_appendf(userdata, "%u:[%s]%s=%s|", l->line, l->section, l->key, l->value);
}

static void note_bad(const char *file, unsigned line, const char *reason, void *userdata) {
        strbuf_appendf(userdata, "%u!%s|", line, reason);
}

static void check_n(const char *text, size_t n, const char *section, const char *expected) {
        _cleanup_strbuf_ StrBuf b = {};

        assert_int_equal(strbuf_append(&b, ""), 0);
        assert_int_equal(conf_parse_text("name", text, n, section, note_line, note_bad, &b), 0);
        assert_string_equal(b.data, expected);
}

static void check(const char *text, const char *section, const char *expected) {
        check_n(text, strlen(text), section, expected);
}

static void test_syntax(void **state) {
        check("", NULL, "");
        check("[A]\nk=v\n", NULL, "2:[A]k=v|");
        check("\xef\xbb\xbf[A]\r\n  k \t= v w \r\n\r\nk=", NULL, "2:[A]k=v w|4:[A]k=|");
        check("# c\n; c\n[A]\nk=v # no comment\n", NULL, "4:[A]k=v # no comment|");
        check("[A]\nk=a=b\n[B b]\nk=c", NULL, "2:[A]k=a=b|4:[B b]k=c|");
}

static void test_continuation(void **state) {
        check("[A]\nk=a \\\n   b\\\nc\nl=d\n", NULL, "2:[A]k=a b c|5:[A]l=d|");
        check("[A]\nk=a\\\n# comment \\\n; another\nb\n", NULL, "2:[A]k=a b|");
        check("[A]\nk=a\\\\\nl=b\n", NULL, "2:[A]k=a\\\\|3:[A]l=b|");
        check("[A]\nk=a\\", NULL, "2:[A]k=a|");
        check("[A]\nk=a\\\n\nl=b\n", NULL, "2:[A]k=a|4:[A]l=b|");
        check("[A]\nk=\\\n\\\nv\n", NULL, "2:[A]k=v|");
}

static void test_bad_lines(void **state) {
        check("k=v\n[A]\nk=v\n", NULL, "1!assignment outside of a section|3:[A]k=v|");
        check("[A]\nnonsense\n=v\nk=v\n", NULL,
              "2!neither a section, an assignment nor a comment|3!no key before '='|4:[A]k=v|");
        check("[A]\nk=\xff\xfe\nk=v\n", NULL, "2!invalid UTF-8|3:[A]k=v|");
        check_n("[A]\nk=a\0b\nk=v\n", 14, NULL, "2!NUL byte|3:[A]k=v|");
        /* A broken header loses its lines, not those of the next section. */
        check("[A]\nk=1\n[B\nk=2\nx\n[C]\nk=3\n", NULL, "2:[A]k=1|3!invalid section header|7:[C]k=3|");
        check("[]\nk=1\n[A]x\nk=2\n[[A]]\n[A]\nk=3\n", NULL,
              "1!invalid section header|3!invalid section header|5!invalid section header|7:[A]k=3|");
}

static void test_section_filter(void **state) {
        const char text[] = "junk\n[Unit]\nDescription=x\njunk\nk=\xff\n[X-Synos]\nSupervise=yes\njunk\n[Service]\n"
                            "ExecStart=/bin/true \\\n  [X-Synos]\n[X-Synos]\nName=a\n[X-Synos\nName=b\n[Install\n";

        check(text, "X-Synos",
              "7:[X-Synos]Supervise=yes|8!neither a section, an assignment nor a comment|13:[X-Synos]Name=a|"
              "14!invalid section header|");
}

static void test_long_line(void **state) {
        size_t n = 1024 * 1024 + 100;
        _cleanup_free_ char *text = malloc(n + 32);
        _cleanup_strbuf_ StrBuf pieces = {};

        assert_non_null(text);
        memset(text, 'x', n);
        memcpy(text, "[A]\nk=", 6);
        memcpy(text + n, "\nl=v\n", 5);
        check_n(text, n + 5, NULL, "2!line too long|3:[A]l=v|");

        /* The same out of many continued lines. */
        strbuf_append(&pieces, "[A]\nk=\\\n");
        for (unsigned i = 0; i < 1100; i++) {
                strbuf_append_n(&pieces, text + 10, 1000);
                strbuf_append(&pieces, "\\\n");
        }
        strbuf_append(&pieces, "end\nl=v\n");
        check_n(pieces.data, pieces.length, NULL, "2!line too long|1104:[A]l=v|");
}

static int stop_at_second(const ConfLine *l, void *userdata) {
        return ++*(int *) userdata == 2 ? -ECANCELED : 0;
}

static void test_stop(void **state) {
        int n = 0;

        assert_int_equal(conf_parse_text("n", "[A]\na=\nb=\nc=\n", 13, NULL, stop_at_second, NULL, &n), -ECANCELED);
        assert_int_equal(n, 2);
}

static void test_values(void **state) {
        _cleanup_strv_free_ char **l = NULL;
        _cleanup_free_ char *s = NULL;
        uint64_t u64 = 7;
        uint32_t u32 = 7;
        usec_t span = 7;
        bool b = false;
        int level = 7;

        assert_int_equal(conf_parse_bool("on", &b), 0);
        assert_true(b);
        assert_int_equal(conf_parse_bool("", &b), -EINVAL);
        assert_true(b);
        assert_int_equal(conf_parse_u32("-1", &u32), -EINVAL);
        assert_int_equal(conf_parse_u32("4294967296", &u32), -ERANGE);
        assert_int_equal(u32, 7);
        assert_int_equal(conf_parse_u32("12", &u32), 0);
        assert_int_equal(u32, 12);
        assert_int_equal(conf_parse_u64("12", &u64), 0);
        assert_int_equal(u64, 12);
        assert_int_equal(conf_parse_size("1K", &u64), 0);
        assert_int_equal(u64, 1024);
        assert_int_equal(conf_parse_span("1min", &span), 0);
        assert_int_equal(span, USEC_PER_MINUTE);
        assert_int_equal(conf_parse_log_level("debug", &level), 0);
        assert_int_equal(level, LOG_DEBUG);
        assert_int_equal(conf_parse_log_level("x", &level), -EINVAL);
        assert_int_equal(level, LOG_DEBUG);
        assert_int_equal(conf_parse_string("a b", &s), 0);
        assert_string_equal(s, "a b");
        assert_int_equal(conf_parse_string("", &s), 0);
        assert_null(s);
        assert_int_equal(conf_parse_strv("a  b", &l), 0);
        assert_int_equal(conf_parse_strv("c", &l), 0);
        assert_int_equal(strv_length(l), 3);
        assert_string_equal(l[2], "c");
        assert_int_equal(conf_parse_strv("", &l), 0);
        assert_null(l);
}

/* ---- files ---- */

static char directory[64];

static void put_file(const char *path, const char *text) {
        char full[256];
        FILE *f;

        snprintf(full, sizeof full, "%s/%s", directory, path);
        for (char *p = full + strlen(directory) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
        f = fopen(full, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void mask_file(const char *path) {
        char full[256];

        put_file(path, "");
        snprintf(full, sizeof full, "%s/%s", directory, path);
        assert_int_equal(unlink(full), 0);
        assert_int_equal(symlink("/dev/null", full), 0);
}

static int setup(void **state) {
        strcpy(directory, "/tmp/synos-test-conf.XXXXXX");
        assert_non_null(mkdtemp(directory));
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char **list(void) {
        char lib[128], run[128], etc[128];
        const char *const roots[] = { lib, run, etc, NULL };
        char **l = NULL;

        snprintf(lib, sizeof lib, "%s/lib", directory);
        snprintf(run, sizeof run, "%s/run", directory);
        snprintf(etc, sizeof etc, "%s/etc", directory);
        assert_int_equal(conf_files_list("synos/synd.conf", roots, &l), 0);
        return l;
}

static void check_list(const char *expected) {
        _cleanup_strv_free_ char **l = list();
        _cleanup_strbuf_ StrBuf b = {};

        strbuf_append(&b, "");
        STRV_FOREACH (s, l)
                strbuf_appendf(&b, "%s ", *s + strlen(directory) + 1);
        assert_string_equal(b.data, expected);
}

static void test_files(void **state) {
        check_list("");
        put_file("lib/synos/synd.conf", "");
        check_list("lib/synos/synd.conf ");
        put_file("etc/synos/synd.conf", "");
        put_file("lib/synos/synd.conf.d/50-b.conf", "");
        put_file("etc/synos/synd.conf.d/10-a.conf", "");
        put_file("run/synos/synd.conf.d/90-c.conf", "");
        put_file("etc/synos/synd.conf.d/60-not.conf~", "");
        put_file("etc/synos/synd.conf.d/.70-hidden.conf", "");
        check_list("etc/synos/synd.conf etc/synos/synd.conf.d/10-a.conf lib/synos/synd.conf.d/50-b.conf "
                   "run/synos/synd.conf.d/90-c.conf ");
        put_file("run/synos/synd.conf.d/50-b.conf", "");
        mask_file("etc/synos/synd.conf.d/90-c.conf");
        check_list("etc/synos/synd.conf etc/synos/synd.conf.d/10-a.conf run/synos/synd.conf.d/50-b.conf ");
        mask_file("etc/synos/synd.conf");
        check_list("etc/synos/synd.conf.d/10-a.conf run/synos/synd.conf.d/50-b.conf ");
}

typedef struct Settings {
        uint32_t number;
        char **words;
        bool flag;
} Settings;

static const ConfItem items[] = {
        { "A", "Number", conf_parse_u32, offsetof(Settings, number) },
        { "A", "Words", conf_parse_strv, offsetof(Settings, words) },
        { "B", "Flag", conf_parse_bool, offsetof(Settings, flag) },
};

static void note_problem(const char *file, unsigned line, const char *reason, void *userdata) {
        strbuf_appendf(userdata, "%s:%u: %s\n", file + strlen(directory) + 1, line, reason);
}

static void test_load(void **state) {
        _cleanup_strv_free_ char **files = NULL;
        _cleanup_strbuf_ StrBuf b = {};
        Settings s = { .number = 7 };
        char path[128];

        put_file("lib/synos/synd.conf", "[A]\nNumber=1\nWords=a b\nNonsense=1\n[C]\nk=v\n[X-Other]\nk=v\n");
        put_file("run/synos/synd.conf.d/1.conf", "[A]\nNumber=many\nWords=c\n[B]\nFlag=yes\nNumber=1\nline\n");
        put_file("etc/synos/synd.conf.d/2.conf", "[A]\nWords=\nWords=d\nNumber=5000000000\n");
        files = list();
        snprintf(path, sizeof path, "%s/run", directory);
        assert_int_equal(strv_extend(&files, path), 0);
        assert_int_equal(conf_load(files, items, ELEMENTSOF(items), &s, note_problem, &b), 0);
        assert_int_equal(s.number, 1);
        assert_true(s.flag);
        assert_int_equal(strv_length(s.words), 1);
        assert_string_equal(s.words[0], "d");
        s.words = strv_free(s.words);
        assert_non_null(startswith(b.data, "lib/synos/synd.conf:4: unknown key 'Nonsense', ignoring\n"
                                           "lib/synos/synd.conf:6: unknown section 'C', ignoring\n"
                                           "run/synos/synd.conf.d/1.conf:2: bad value 'many' for Number=, ignoring\n"
                                           "run/synos/synd.conf.d/1.conf:6: unknown key 'Number', ignoring\n"
                                           "run/synos/synd.conf.d/1.conf:7: neither a section"));
        assert_non_null(strstr(
                        b.data,
                        "etc/synos/synd.conf.d/2.conf:4: value '5000000000' for Number= is out of range, ignoring\n"));
        assert_non_null(strstr(b.data, "run:0: cannot be read: Is a directory\n"));
}

static void test_open_errors(void **state) {
        _cleanup_strbuf_ StrBuf b = {};
        char path[128];

        snprintf(path, sizeof path, "%s/none", directory);
        assert_int_equal(conf_parse_file(path, NULL, note_line, note_bad, &b), -ENOENT);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(conf_parse_file(path, NULL, note_line, note_bad, &b), -EINVAL);
        assert_int_equal(conf_parse_file("/dev/null", NULL, note_line, note_bad, &b), 0);
        assert_int_equal(conf_parse_file("/dev/zero", NULL, note_line, note_bad, &b), -EINVAL);
        assert_null(b.data);
        put_file("huge", "");
        snprintf(path, sizeof path, "%s/huge", directory);
        assert_int_equal(truncate(path, 17 * 1024 * 1024), 0);
        assert_int_equal(conf_parse_file(path, NULL, note_line, note_bad, &b), -EFBIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_syntax),
                cmocka_unit_test(test_continuation),
                cmocka_unit_test(test_bad_lines),
                cmocka_unit_test(test_section_filter),
                cmocka_unit_test(test_long_line),
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_values),
                cmocka_unit_test_setup_teardown(test_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

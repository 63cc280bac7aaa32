/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The introspection documents, the manual page and the living object say the same. */
#include "fixture.h"

/* ---- the interface as the object tells it, and as the document does ---- */

static char *read_whole_file(const char *dir, const char *name) {
        char path[4096];
        char *text = calloc(1, 256 * 1024);
        FILE *file;

        assert_non_null(text);
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        file = fopen(path, "re");
        if (!file)
                fail_msg("cannot open %s", path);
        assert_true(fread(text, 1, 256 * 1024 - 1, file) > 0);
        fclose(file);
        return text;
}

/* <interface name="…">…</interface>, one element a line, without indentation. */
static char *cut_interface(const char *xml, const char *interface) {
        _cleanup_strbuf_ StrBuf b = {};
        char opening[256], *result;
        const char *p, *end;

        snprintf(opening, sizeof(opening), "<interface name=\"%s\">", interface);
        p = strstr(xml, opening);
        if (!p)
                fail_msg("there is no %s", interface);
        end = strstr(p, "</interface>");
        assert_non_null(end);
        while (p < end) {
                size_t n = strcspn(p, "\n");

                n = MIN(n, (size_t) (end - p));
                while (n > 0 && *p == ' ') {
                        p++;
                        n--;
                }
                if (n > 0) {
                        strbuf_append_n(&b, p, n);
                        strbuf_append(&b, "\n");
                }
                p += n + (p + n < end);
        }
        assert_int_equal(strbuf_finish(&b, &result), 0);
        return result;
}

static char *introspect(Fixture *f, const char *path) {
        sd_bus_message *reply = NULL;
        const char *text;
        char *copy;

        assert_int_equal(fixture_call(f, f->user, path, "org.freedesktop.DBus.Introspectable", "Introspect", &reply,
                                      NULL),
                         0);
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        copy = strdup(text);
        assert_non_null(copy);
        sd_bus_message_unref(reply);
        return copy;
}

static char *living(Fixture *f, const char *path, const char *interface) {
        _cleanup_free_ char *xml = introspect(f, path);

        return cut_interface(xml, interface);
}

static void compare(Fixture *f, const char *path, const char *interface) {
        _cleanup_free_ char *document = NULL, *written = NULL, *object = NULL;
        char name[256];

        snprintf(name, sizeof(name), "%s.xml", interface);
        document = read_whole_file(DBUS_DIR, name);
        written = cut_interface(document, interface);
        object = living(f, path, interface);
        assert_string_equal(written, object);
}

static void test_documents_match_the_object(void **state) {
        Fixture *f = *state;

        fake_declare(f->manager, "web.service", true, NULL);
        compare(f, API_ROOT, API_MANAGER_INTERFACE);
        compare(f, API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE);
}

static void test_standard_interfaces_are_there(void **state) {
        static const char *const standard[] = {
                "org.freedesktop.DBus.Peer",
                "org.freedesktop.DBus.Introspectable",
                "org.freedesktop.DBus.Properties",
                "org.freedesktop.DBus.ObjectManager",
        };
        Fixture *f = *state;
        _cleanup_free_ char *root = introspect(f, API_ROOT), *log = introspect(f, "/org/freedesktop/LogControl1");

        for (size_t i = 0; i < ELEMENTSOF(standard); i++)
                assert_non_null(strstr(root, standard[i]));
        assert_non_null(strstr(log, "org.freedesktop.LogControl1"));
        assert_non_null(strstr(log, "readwrite"));
}

/* ---- the manual page ---- */

static const char *attribute(const char *line, const char *key, char *buf, size_t size) {
        char opening[64];
        const char *p;

        snprintf(opening, sizeof(opening), " %s=\"", key);
        p = strstr(line, opening);
        if (!p)
                return NULL;
        p += strlen(opening);
        snprintf(buf, size, "%.*s", (int) strcspn(p, "\""), p);
        return buf;
}

static void add_argument(StrBuf *in, StrBuf *out, const char *line) {
        char type[128], name[128], direction[16];
        StrBuf *b;

        assert_non_null(attribute(line, "type", type, sizeof(type)));
        assert_non_null(attribute(line, "name", name, sizeof(name)));
        b = attribute(line, "direction", direction, sizeof(direction)) && streq(direction, "out") ? out : in;
        strbuf_appendf(b, "%s%s %s", b->length > 0 ? ", " : "", type, name);
}

/* One heading as the manual page should have it. */
static void finish_member(char ***l, bool property, const char *name, const char *type, StrBuf *in, StrBuf *out) {
        _cleanup_free_ char *line = NULL;

        if (property)
                assert_true(str_printf(&line, ".SS \"%s (%s)\"", name, type) >= 0);
        else if (out->length > 0)
                assert_true(str_printf(&line, ".SS \"%s(%s) -> %s\"", name, in->data ?: "", out->data) >= 0);
        else
                assert_true(str_printf(&line, ".SS \"%s(%s)\"", name, in->data ?: "") >= 0);
        assert_true(strv_extend(l, line) >= 0);
        strbuf_done(in);
        strbuf_done(out);
        *in = *out = (StrBuf){};
}

static void headings_of_interface(char ***l, char *interface) {
        char name[128] = "", type[128] = "";
        StrBuf in = {}, out = {};

        for (char *line = strtok(interface, "\n"); line; line = strtok(NULL, "\n")) {
                if (startswith(line, "<method") || startswith(line, "<signal"))
                        assert_non_null(attribute(line, "name", name, sizeof(name)));
                else if (startswith(line, "<arg"))
                        add_argument(&in, &out, line);
                else if (startswith(line, "<property")) {
                        assert_non_null(attribute(line, "name", name, sizeof(name)));
                        assert_non_null(attribute(line, "type", type, sizeof(type)));
                        finish_member(l, true, name, type, &in, &out);
                } else if (startswith(line, "</method") || startswith(line, "</signal"))
                        finish_member(l, false, name, NULL, &in, &out);
        }
}

static void test_manual_page_has_each_member_and_no_other(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *page = read_whole_file(MAN_DIR, "org.synos.Supervisor1.5"), *manager = NULL,
                            *service = NULL;
        _cleanup_strv_free_ char **expected = NULL, **found = NULL;
        const char *const *errors = dbus_error_names();

        fake_declare(f->manager, "web.service", true, NULL);
        manager = living(f, API_ROOT, API_MANAGER_INTERFACE);
        service = living(f, API_SERVICE_ROOT "/web", API_SERVICE_INTERFACE);
        headings_of_interface(&expected, manager);
        headings_of_interface(&expected, service);
        for (size_t i = 0; errors[i]; i++) {
                _cleanup_free_ char *line = NULL;

                assert_true(str_printf(&line, ".SS \"%s\"", strrchr(errors[i], '.') + 1) >= 0);
                assert_true(strv_extend(&expected, line) >= 0);
        }
        for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n"))
                if (startswith(line, ".SS "))
                        assert_true(strv_extend(&found, line) >= 0);

        STRV_FOREACH (i, expected)
                if (!strv_contains(found, *i))
                        fail_msg("the manual page lacks: %s", *i);
        STRV_FOREACH (i, found)
                if (!strv_contains(expected, *i))
                        fail_msg("the object lacks: %s", *i);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                T(test_documents_match_the_object),
                T(test_standard_interfaces_are_there),
                T(test_manual_page_has_each_member_and_no_other),
        };

        if (fixture_unavailable())
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever JSON comes for a service, an event, a chain or a graph: each view of synctl makes text of it that cannot steer
 * the terminal. The input is one document, shown by all of them. */
#include "fuzz.h"

#include "synctl/deps-view.h"
#include "synctl/doctor.h"
#include "synctl/event-view.h"
#include "synctl/status-view.h"
#include "synctl/stream.h"
#include "synctl/why-view.h"

#define NOW ((usec_t) 1795529172 * USEC_PER_SEC)

/* Of control characters only the ends of lines are ours. */
static void check_text(const StrBuf *b) {
        CHECK(!b->failed);
        CHECK(utf8_is_valid(b->data ?: "", b->length));
        for (size_t i = 0; i < b->length; i++)
                CHECK((unsigned char) b->data[i] >= 0x20 || b->data[i] == '\n');
}

static void show(const Json *j, const Term *term, bool full) {
        _cleanup_strbuf_ StrBuf status = {}, why = {}, event = {}, tree = {}, dot = {}, findings = {};
        _cleanup_(findings_done) Findings f = {};
        _cleanup_(deps_done) Deps d = {};

        CHECK(status_format(j, json_get(j, "events"), NULL, NULL, term, full, NOW, &status) == 0);
        CHECK(why_format(j, term, full, NOW, &why) == 0);
        CHECK(event_line(j, term, full, NOW, &event) == 0);
        CHECK(strchr(event.data, '\n') == event.data + event.length - 1);
        CHECK(deps_from_json(json_get(j, "services"), &d) == 0);
        CHECK(deps_format_tree(&d, json_get_string(j, "root"), term, &tree) == 0);
        CHECK(deps_format_dot(&d, json_get_string(j, "root"), &dot) == 0);
        doctor_check_dump(&f, j);
        doctor_check_units(&f, json_get(j, "services"));
        CHECK(!f.failed);
        findings_format(&f, term, false, &findings);
        check_text(&status);
        check_text(&why);
        check_text(&event);
        check_text(&tree);
        check_text(&dot);
        check_text(&findings);
}

static void ignore_line(const char *line, void *userdata) {
        CHECK(!strchr(line, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const Term plain = { .utf8 = true }, narrow = { .tty = true, .columns = 80, .rows = 24 };
        _cleanup_json_ Json *j = NULL;
        _cleanup_free_ char *error = NULL;
        LineBuffer l = {};

        line_buffer_feed(&l, (const char *) data, size, 64, ignore_line, NULL);
        line_buffer_done(&l);
        if (json_parse((const char *) data, size, 1024 * 1024, &j, &error) < 0)
                return 0;
        show(j, &plain, true);
        show(j, &narrow, false);
        return 0;
}

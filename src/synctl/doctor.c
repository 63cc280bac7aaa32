/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/doctor.h"
#include "synctl/table.h"
#include "synctl/text.h"

#include <stdarg.h>
#include <stdio.h>

#define EXAMPLES_MAX 5

void findings_done(Findings *f) {
        for (size_t i = 0; i < f->n; i++) {
                free(f->list[i].text);
                free(f->list[i].remedy);
        }
        free(f->list);
        *f = (Findings){};
}

void findings_add(Findings *f, const char *check, Level level, const char *remedy, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        if (f->n == f->allocated) {
                size_t n = MAX((size_t) 32, f->allocated * 2);
                Finding *bigger = reallocarray(f->list, n, sizeof(Finding));
                if (!bigger) {
                        f->failed = true;
                        return;
                }
                f->list = bigger;
                f->allocated = n;
        }
        Finding *k = f->list + f->n;
        *k = (Finding){ .check = check, .level = level };
        if (!text || text_clean(text, &k->text) < 0 || (remedy && text_clean(remedy, &k->remedy) < 0)) {
                free(k->text);
                f->failed = true;
                return;
        }
        f->n++;
}

size_t findings_count(const Findings *f, Level level) {
        size_t n = 0;

        for (size_t i = 0; i < f->n; i++)
                n += f->list[i].level == level;
        return n;
}

static const char *const level_words[_LEVEL_MAX] = { "ok", "warn", "FAIL" };

void findings_format(const Findings *f, const Term *term, bool problems_only, StrBuf *b) {
        static const Style styles[_LEVEL_MAX] = { STYLE_GOOD, STYLE_WARN, STYLE_BAD };

        for (size_t i = 0; i < f->n; i++) {
                const Finding *k = f->list + i;
                if (problems_only && k->level == LEVEL_OK)
                        continue;
                strbuf_append(b, term_style(term, styles[k->level]));
                text_pad(b, level_words[k->level], 6, false);
                strbuf_append(b, term_style(term, STYLE_NONE));
                text_wrap(b, k->text, term->columns, 6);
                strbuf_append(b, "\n");
                if (!k->remedy)
                        continue;
                strbuf_appendf(b, "      %s ", term_glyph(term, GLYPH_ARROW));
                text_wrap(b, k->remedy, term->columns, 8);
                strbuf_append(b, "\n");
        }
}

int findings_to_json(const Findings *f, Json **ret) {
        static const char *const words[_LEVEL_MAX] = { "ok", "warning", "failure" };
        _cleanup_json_ Json *o = NULL, *list = NULL;

        int r = json_new_object(&o);
        if (r >= 0)
                r = json_new_array(&list);
        for (size_t i = 0; i < f->n && r >= 0; i++) {
                _cleanup_json_ Json *k = NULL;
                r = json_new_object(&k);
                if (r >= 0)
                        r = json_set_string(k, "check", f->list[i].check);
                if (r >= 0)
                        r = json_set_string(k, "level", words[f->list[i].level]);
                if (r >= 0)
                        r = json_set_string(k, "text", f->list[i].text);
                if (r >= 0)
                        r = json_set_string(k, "remedy", f->list[i].remedy);
                if (r >= 0)
                        r = json_append(list, k);
        }
        if (r >= 0)
                r = json_set_uint(o, "warnings", findings_count(f, LEVEL_WARN));
        if (r >= 0)
                r = json_set_uint(o, "failures", findings_count(f, LEVEL_FAIL));
        if (r >= 0)
                r = json_set(o, "checks", list);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

/* ---- grants ---- */

void doctor_compare_grants(Findings *f, char *const *answers, const ServiceList *services) {
        size_t before = f->n, granted = 0;

        for (size_t i = 0; i < services->n; i++) {
                const ServiceRow *s = services->rows + i;
                const char *answer = i < strv_length(answers) ? answers[i] : "";

                if (!IN_SET(answer[0], '+', '-') || !streq(answer + 1, s->unit)) {
                        findings_add(f, "grant-helper", LEVEL_FAIL,
                                     "Install the packages synd and synctl of the same version",
                                     "The grant helper answers in a form this version does not know.");
                        return;
                }
                granted += answer[0] == '+';
                if (s->granted != (answer[0] == '+'))
                        findings_add(f, "grant-helper", LEVEL_FAIL, "systemctl daemon-reload, and look again",
                                     s->granted ? "synd takes %s for granted, the grant helper does not: polkit will "
                                                  "refuse."
                                                : "The grant helper says that %s is granted, synd does not see it.",
                                     s->unit);
        }
        if (f->n == before)
                findings_add(f, "grant-helper", LEVEL_OK, NULL,
                             "The grant helper and synd agree on %zu granted unit%s.", granted,
                             granted == 1 ? "" : "s");
}

void doctor_check_rows(Findings *f, const ServiceList *services) {
        _cleanup_strbuf_ StrBuf names = {};
        size_t n = 0;

        for (size_t i = 0; i < services->n; i++) {
                const ServiceRow *s = services->rows + i;
                if (s->granted || s->protected_)
                        continue;
                if (n++ < EXAMPLES_MAX)
                        strbuf_appendf(&names, " %s", s->unit);
        }
        if (n > 0) {
                _cleanup_free_ char *remedy = NULL;
                (void) str_printf(&remedy, "If synd shall act on them, as root: synctl adopt%s%s", names.data ?: "",
                                  n > EXAMPLES_MAX ? " …" : "");
                findings_add(f, "grants", LEVEL_WARN, remedy,
                             "%zu service%s observed without a grant: synd never acts on %s.", n,
                             n == 1 ? " is" : "s are", n == 1 ? "it" : "them");
        } else
                findings_add(f, "grants", LEVEL_OK, NULL, "All %zu services are granted or protected.", services->n);
}

/* ---- units ---- */

void doctor_check_units(Findings *f, const Json *services) {
        size_t n = 0;

        for (size_t i = 0; i < json_length(services); i++) {
                const Json *s = json_at(services, i), *problems = json_get(s, "problems");
                for (size_t k = 0; k < json_length(problems); k++, n++) {
                        const Json *p = json_at(problems, k);
                        const char *file = json_get_string(p, "file") ?: "?";
                        char line[TEXT_LINE_MAX];
                        _cleanup_free_ char *remedy = NULL;
                        (void) str_printf(&remedy, "Correct the line (synos.unit(5)), then: systemctl daemon-reload");
                        findings_add(f, "unit-files", LEVEL_WARN, remedy, "%s%s: %s", file, text_line(json_get_uint(p, "line", 0), line),
                                     json_get_string(p, "reason") ?: "bad line");
                }
                const char *load = json_get_string(json_get(s, "systemd"), "load_state");
                if (load && !streq(load, "loaded") && json_get_bool(s, "seen", false)) {
                        findings_add(f, "unit-files", LEVEL_WARN,
                                     "Install the unit, or take it out: synctl release or unregister",
                                     "%s: systemd says %s.", json_get_string(s, "unit") ?: "?", load);
                        n++;
                }
        }
        if (n == 0)
                findings_add(f, "unit-files", LEVEL_OK, NULL,
                             "The [X-Synos] sections of %zu services have no bad line.", json_length(services));
}

/* synd's own sentences: missing units and circles. */
static void check_graph(Findings *f, const Json *problems) {
        for (size_t i = 0; i < json_length(problems); i++)
                findings_add(f, "graph", LEVEL_WARN,
                             "Correct DependsOn= or the unit's own dependency; see: synctl deps", "%s",
                             json_string(json_at(problems, i)) ?: "?");
        if (json_length(problems) == 0)
                findings_add(f, "graph", LEVEL_OK, NULL, "No dependency is missing, none runs in a circle.");
}

/* ---- what synd says of itself ---- */

static void check_conf(Findings *f, const Json *conf) {
        const Json *problems = json_get(conf, "problems");

        for (size_t i = 0; i < json_length(problems); i++) {
                const Json *p = json_at(problems, i);
                char line[TEXT_LINE_MAX];
                findings_add(f, "configuration", LEVEL_WARN,
                             "Correct the line (synd.conf(5)), then: systemctl reload synd.service",
                             "%s%s: %s", json_get_string(p, "file") ?: "?", text_line(json_get_uint(p, "line", 0), line),
                             json_get_string(p, "reason") ?: "bad line");
        }
        if (json_length(problems) == 0)
                findings_add(f, "configuration", LEVEL_OK, NULL, "The configuration of synd has no bad line.");
}

static void check_journal(Findings *f, const Json *journal) {
        const char *error = json_get_string(journal, "error");

        if (json_get_bool(journal, "readable", !error))
                findings_add(f, "journal", LEVEL_OK, NULL, "synd reads the journal.");
        else
                findings_add(f, "journal", LEVEL_FAIL,
                             "The user synd must be in the group systemd-journal: check SupplementaryGroups= of "
                             "synd.service, "
                             "then restart it",
                             "synd cannot read the journal: %s. What happens while it is down is lost to it.",
                             error ?: "no reason given");
}

/* Told until synd is started again: by then somebody has read it, or the file is of no interest. */
static void check_damaged(Findings *f, const char *path) {
        findings_add(f, "event-log", LEVEL_WARN,
                     "Look at the disk; then remove the file, or read it with sqlite3, and restart synd.service",
                     "The event log was damaged when synd started: what was in it is kept as %s.", path);
}

void doctor_check_dump(Findings *f, const Json *dump) {
        const char *damaged = json_get_string(json_get(dump, "event_log"), "damaged");
        const char *state = json_get_string(dump, "state");
        const Json *reasons = json_get(dump, "reasons");

        if (state && streq(state, "degraded"))
                for (size_t i = 0; i < MAX(json_length(reasons), (size_t) 1); i++)
                        findings_add(f, "state", LEVEL_FAIL, "journalctl -u synd.service",
                                     "synd works with a handicap: %s",
                                     json_string(json_at(reasons, i)) ?: "it does not say why");
        else if (state)
                findings_add(f, "state", streq(state, "running") ? LEVEL_OK : LEVEL_WARN, NULL, "synd is %s.", state);
        if (damaged)
                check_damaged(f, damaged);
        if (json_get(dump, "journal"))
                check_journal(f, json_get(dump, "journal"));
        if (json_get(dump, "configuration"))
                check_conf(f, json_get(dump, "configuration"));
        if (json_get(dump, "graph_problems"))
                check_graph(f, json_get(dump, "graph_problems"));
}

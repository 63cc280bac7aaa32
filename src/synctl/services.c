/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/services.h"
#include "synctl/text.h"

#include <fnmatch.h>

/* The fields that every version has, in this order; a newer synd may add some behind them. */
#define ROW_SIGNATURE "ssssssdttssbbbo"

void service_list_done(ServiceList *l) {
        free(l->rows);
        sd_bus_message_unref(l->reply);
        *l = (ServiceList){};
}

static int parse_row(sd_bus_message *m, const char *contents, ServiceRow *ret) {
        int granted, maintenance, protected_;

        int r = sd_bus_message_enter_container(m, 'r', contents);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, ROW_SIGNATURE, &ret->name, &ret->unit, &ret->type, &ret->status, &ret->active,
                                &ret->sub, &ret->health, &ret->since, &ret->restarts, &ret->phase, &ret->detail,
                                &granted, &maintenance, &protected_, &ret->path);
        if (r < 0)
                return r;
        ret->granted = granted;
        ret->maintenance = maintenance;
        ret->protected_ = protected_;
        const char *rest = contents + strlen(ROW_SIGNATURE);
        if (*rest) {
                r = sd_bus_message_skip(m, rest);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

/* -EBADMSG when the reply is of another version. Takes its own reference. */
static int services_parse(sd_bus_message *reply, ServiceList *ret) {
        _cleanup_free_ ServiceRow *rows = NULL;
        _cleanup_free_ char *contents = NULL;
        size_t n = 0, allocated = 0;
        const char *signature = sd_bus_message_get_signature(reply, true);

        /* "a(…)": the fields of one row are between the parentheses. */
        size_t length = strlen(signature);
        if (!startswith(signature, "a(" ROW_SIGNATURE) || signature[length - 1] != ')')
                return -EBADMSG;
        contents = strndup(signature + 2, length - 3);
        if (!contents)
                return -ENOMEM;
        int r = sd_bus_message_enter_container(reply, 'a', signature + 1);
        if (r < 0)
                return r;
        for (;;) {
                if (n == allocated) {
                        allocated = MAX((size_t) 64, allocated * 2);
                        ServiceRow *bigger = reallocarray(rows, allocated, sizeof(ServiceRow));
                        if (!bigger)
                                return -ENOMEM;
                        rows = bigger;
                }
                r = parse_row(reply, contents, rows + n);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                n++;
        }
        *ret = (ServiceList){ .rows = TAKE_PTR(rows), .n = n, .reply = sd_bus_message_ref(reply) };
        return 0;
}

int services_ask(Ctl *c, sd_bus_error *e, ServiceList *ret) {
        sd_bus_message *reply = NULL;

        int r = client_manager(c, "ListServices", e, &reply, NULL);
        if (r >= 0)
                r = services_parse(reply, ret);
        sd_bus_message_unref(reply);
        return r;
}

int services_load(Ctl *c, const char *doing, ServiceList *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        int r = client_open(c);
        if (r != 0)
                return r;
        r = services_ask(c, &e, ret);
        if (r == -EBADMSG && !e.name)
                return ctl_fail(CTL_FAILED,
                                "Cannot %s: synd answers in a form this version does not know; see: synctl "
                                "version",
                                doing);
        return r < 0 ? client_error(c, doing, NULL, &e, r) : 0;
}

bool is_pattern(const char *s) {
        return strpbrk(s, "*?[") != NULL;
}

bool service_row_matches(const ServiceRow *s, const char *pattern) {
        if (is_pattern(pattern)) {
                if (fnmatch(pattern, s->name, 0) == 0 || fnmatch(pattern, s->unit, 0) == 0)
                        return true;
        } else if (streq(pattern, s->name) || streq(pattern, s->unit))
                return true;
        size_t n = strlen(s->unit);
        if (n <= 8 || !endswith(s->unit, ".service"))
                return false;
        char stem[256];
        if (n - 8 >= sizeof(stem))
                return false;
        memcpy(stem, s->unit, n - 8);
        stem[n - 8] = 0;
        return is_pattern(pattern) ? fnmatch(pattern, stem, 0) == 0 : streq(pattern, stem);
}

static int row_compare(const void *a, const void *b) {
        return strcmp(((const ServiceRow *) a)->name, ((const ServiceRow *) b)->name);
}

const char *services_select(ServiceList *l, char *const *patterns, size_t n) {
        const char *missed = NULL;
        size_t kept = 0;

        for (size_t k = 0; k < n && !missed; k++) {
                bool found = false;
                for (size_t i = 0; i < l->n && !found; i++)
                        found = service_row_matches(l->rows + i, patterns[k]);
                /* A pattern without a match is an empty answer, a name without a match is a mistake. */
                if (!found && !is_pattern(patterns[k]))
                        missed = patterns[k];
        }
        for (size_t i = 0; i < l->n; i++) {
                bool keep = n == 0;
                for (size_t k = 0; k < n && !keep; k++)
                        keep = service_row_matches(l->rows + i, patterns[k]);
                if (keep)
                        l->rows[kept++] = l->rows[i];
        }
        l->n = kept;
        if (l->n > 1)
                qsort(l->rows, l->n, sizeof(ServiceRow), row_compare);
        return missed;
}

int services_no_such(Ctl *c, const char *doing, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};
        _cleanup_free_ const char **names = NULL;
        _cleanup_free_ char *clean = NULL;
        const char *near = NULL;
        size_t n = 0;

        if (text_clean(name, &clean) < 0)
                return ctl_oom();
        if (services_ask(c, &e, &l) >= 0 && (names = calloc(2 * l.n + 1, sizeof(char *)))) {
                for (size_t i = 0; i < l.n; i++) {
                        names[n++] = l.rows[i].name;
                        names[n++] = l.rows[i].unit;
                }
                near = text_suggest(name, names, n);
        }
        if (near)
                return ctl_fail(CTL_NO_SUCH, "Cannot %s %s: no such service. Did you mean %s?", doing, clean, near);
        if (is_pattern(name))
                return ctl_fail(CTL_NO_SUCH, "Cannot %s %s: patterns go with list and status only.", doing, clean);
        return ctl_fail(CTL_NO_SUCH,
                        "Cannot %s %s: synd supervises no such service. All it knows: synctl list. To have it "
                        "supervised, as root: synctl adopt %s",
                        doing, clean, clean);
}

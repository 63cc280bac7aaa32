/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* __complete WORD…: what may stand at the last WORD; one candidate a line, "candidate\tdescription". The shells'
 * files only ask this. */
#include "synctl/exec.h"
#include "synctl/services.h"

#include <stdio.h>

static void candidate(const char *prefix, const char *word, const char *description) {
        if (!startswith(word, prefix))
                return;
        if (description)
                printf("%s\t%s\n", word, description);
        else
                printf("%s\n", word);
}

static void complete_options(const char *prefix, const CtlVerb *verb) {
        for (size_t i = 0; i < ctl_n_options; i++) {
                const CtlOptionInfo *o = ctl_options + i;
                char word[40];
                if (verb && !ctl_option_applies(o, verb))
                        continue;
                snprintf(word, sizeof(word), "--%s%s", o->name, o->value ? "=" : "");
                candidate(prefix, word, o->help);
        }
}

static void complete_verbs(const char *prefix) {
        for (size_t i = 0; i < ctl_n_verbs; i++)
                if (ctl_verbs[i].group)
                        candidate(prefix, ctl_verbs[i].name, ctl_verbs[i].summary);
}

/* Completion never complains: no synd, no names. */
static void complete_services(Ctl *c, const char *prefix) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};

        if (sd_bus_open_system(&c->bus) < 0 || services_ask(c, &e, &l) < 0)
                return;
        for (size_t i = 0; i < l.n; i++) {
                candidate(prefix, l.rows[i].name, l.rows[i].status);
                /* Who begins to type the unit's name means it. */
                if (*prefix && !streq(l.rows[i].name, l.rows[i].unit) && !startswith(l.rows[i].name, prefix))
                        candidate(prefix, l.rows[i].unit, l.rows[i].status);
        }
}

static void complete_units(const char *prefix) {
        const char *const argv[] = { "systemctl",   "list-unit-files", "--type=service",
                                     "--no-legend", "--no-pager",      "--plain",
                                     NULL };
        _cleanup_free_ char *out = NULL;

        if (exec_capture(argv, 5, &out, NULL) != 0)
                return;
        for (char *state = NULL, *line = strtok_r(out, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                line[strcspn(line, " \t")] = 0;
                candidate(prefix, line, NULL);
        }
}

static void complete_type(const char *prefix) {
        static const char *const types[] = {
                "service.*",       "service.failed", "service.recovered",  "service.starting",      "service.started",
                "service.stopped", "recovery.*",     "recovery.scheduled", "recovery.budget-spent", "action.*",
                "action.finished", "action.refused", "user.request",       "graph.problem",         "config.changed",
                "synd.*",          "log.*",
        };
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                candidate(prefix, types[i], NULL);
}

static void complete_argument(Ctl *c, const CtlVerb *verb, size_t index, const char *prefix) {
        switch (verb->complete) {
        case COMPLETE_SERVICE:
                complete_services(c, prefix);
                break;
        case COMPLETE_UNIT:
                if (index == 0 || verb->max_args == SIZE_MAX)
                        complete_units(prefix);
                break;
        case COMPLETE_VERB:
                complete_verbs(prefix);
                break;
        case COMPLETE_MAINTENANCE:
                if (index > 0)
                        complete_services(c, prefix);
                else {
                        candidate(prefix, "on", "watch, do not act");
                        candidate(prefix, "off", "act again");
                }
                break;
        case COMPLETE_NONE:
                break;
        }
}

static const CtlOptionInfo *option_with_value(const char *word) {
        for (size_t i = 0; i < ctl_n_options; i++) {
                const CtlOptionInfo *o = ctl_options + i;
                const char *rest = startswith(word, "--");
                if (o->value && ((rest && streq(rest, o->name)) ||
                                 (o->letter && word[0] == '-' && word[1] == o->letter && !word[2])))
                        return o;
        }
        return NULL;
}

static void complete_value(Ctl *c, const CtlOptionInfo *o, const char *prefix) {
        if (streq(o->name, "service"))
                complete_services(c, prefix);
        else if (streq(o->name, "type"))
                complete_type(prefix);
}

int verb_complete(Ctl *c) {
        const CtlVerb *verb = NULL;
        size_t index = 0;

        if (c->n_args == 0)
                return CTL_OK;
        const char *last = c->args[c->n_args - 1];
        for (size_t i = 0; i + 1 < c->n_args; i++) {
                const char *a = c->args[i];
                if (a[0] == '-') {
                        if (option_with_value(a) && i + 2 < c->n_args)
                                i++;
                } else if (!verb) {
                        verb = ctl_verb_find(a);
                        if (!verb)
                                return CTL_OK;
                } else
                        index++;
        }
        const CtlOptionInfo *o = c->n_args > 1 ? option_with_value(c->args[c->n_args - 2]) : NULL;
        if (o)
                complete_value(c, o, last);
        else if (last[0] == '-')
                complete_options(last, verb);
        else if (!verb)
                complete_verbs(last);
        else
                complete_argument(c, verb, index, last);
        return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

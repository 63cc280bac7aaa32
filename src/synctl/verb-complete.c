/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* __complete WORD…: what may stand at the last WORD; one candidate a line, "candidate\tdescription". The shells'
 * files only ask this. */
#include "core/event.h"
#include "synctl/exec.h"
#include "synctl/services.h"

#include <stdio.h>

typedef struct Completion {
        Ctl *c;
        const char *prefix; /* what is typed of the word */
        const char *before; /* what of it stays as it is: "--service=" */
} Completion;

static void candidate(const Completion *k, const char *word, const char *description) {
        if (!startswith(word, k->prefix))
                return;
        printf("%s%s%s%s\n", k->before, word, description ? "\t" : "", description ?: "");
}

static void complete_options(const Completion *k, const CtlVerb *verb) {
        for (size_t i = 0; i < ctl_n_options; i++) {
                const CtlOptionInfo *o = ctl_options + i;
                char word[40];
                if (verb && !ctl_option_applies(o, verb))
                        continue;
                snprintf(word, sizeof(word), "--%s%s", o->name, o->value ? "=" : "");
                candidate(k, word, o->help);
        }
}

static void complete_verbs(const Completion *k) {
        for (size_t i = 0; i < ctl_n_verbs; i++)
                if (ctl_verbs[i].group)
                        candidate(k, ctl_verbs[i].name, ctl_verbs[i].summary);
}

/* Completion never complains: no synd, no names. */
static void complete_services(const Completion *k) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_service_list_ ServiceList l = {};

        if ((!k->c->bus && sd_bus_open_system(&k->c->bus) < 0) || services_ask(k->c, &e, &l) < 0)
                return;
        for (size_t i = 0; i < l.n; i++) {
                const ServiceRow *s = l.rows + i;
                candidate(k, s->name, s->status);
                /* Who begins to type the unit's name means it. */
                if (*k->prefix && !startswith(s->unit, s->name))
                        candidate(k, s->unit, s->status);
        }
}

static void complete_units(const Completion *k) {
        const char *const argv[] = { "systemctl",   "list-unit-files", "--type=service",
                                     "--no-legend", "--no-pager",      "--plain",
                                     NULL };
        _cleanup_free_ char *out = NULL;

        if (exec_capture(argv, 5, &out, NULL) != 0)
                return;
        for (char *state = NULL, *line = strtok_r(out, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                line[strcspn(line, " \t")] = 0;
                candidate(k, line, NULL);
        }
}

static void complete_types(const Completion *k) {
        static const char *const types[] = {
                "service.*",
                EVENT_SERVICE_FAILED,
                EVENT_SERVICE_RECOVERED,
                EVENT_SERVICE_STARTING,
                EVENT_SERVICE_STARTED,
                EVENT_SERVICE_STOPPED,
                EVENT_SERVICE_MAINTENANCE,
                "recovery.*",
                EVENT_RECOVERY_SCHEDULED,
                EVENT_RECOVERY_WAITING,
                EVENT_RECOVERY_BUDGET_SPENT,
                "action.*",
                EVENT_ACTION_FINISHED,
                EVENT_ACTION_REFUSED,
                EVENT_USER_REQUEST,
                EVENT_GRAPH_PROBLEM,
                EVENT_CONFIG_CHANGED,
                "synd.*",
                "log.*",
        };
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                candidate(k, types[i], NULL);
}

static void complete_argument(const Completion *k, const CtlVerb *verb, size_t index) {
        switch (verb->complete) {
        case COMPLETE_SERVICE:
                complete_services(k);
                break;
        case COMPLETE_UNIT:
                complete_units(k);
                break;
        case COMPLETE_VERB:
                complete_verbs(k);
                break;
        case COMPLETE_MAINTENANCE:
                if (index > 0)
                        complete_services(k);
                else {
                        candidate(k, "on", "watch, do not act");
                        candidate(k, "off", "act again");
                }
                break;
        case COMPLETE_NONE:
                break;
        }
}

/* The option that word is, if it takes a value: "--service", "-s". */
static const CtlOptionInfo *option_with_value(const char *word, size_t n) {
        for (size_t i = 0; i < ctl_n_options; i++) {
                const CtlOptionInfo *o = ctl_options + i;
                size_t k = strlen(o->name);
                if (!o->value)
                        continue;
                if (n == k + 2 && startswith(word, "--") && strncmp(word + 2, o->name, k) == 0)
                        return o;
                if (n == 2 && word[0] == '-' && o->letter && word[1] == o->letter)
                        return o;
        }
        return NULL;
}

static void complete_value(const Completion *k, const CtlOptionInfo *o) {
        if (streq(o->name, "service"))
                complete_services(k);
        else if (streq(o->name, "type"))
                complete_types(k);
}

int verb_complete(Ctl *c) {
        const CtlVerb *verb = NULL;
        size_t index = 0, last = c->n_args - 1;

        if (c->n_args == 0)
                return CTL_OK;
        Completion k = { .c = c, .prefix = c->args[last], .before = "" };
        const CtlOptionInfo *o = NULL;
        for (size_t i = 0; i < last; i++) {
                const char *a = c->args[i];
                o = option_with_value(a, strlen(a));
                if (o && i + 1 < last) { /* its value is there already */
                        o = NULL;
                        i++;
                } else if (a[0] == '-')
                        continue;
                else if (!verb) {
                        verb = ctl_verb_find(a);
                        if (!verb)
                                return CTL_OK;
                } else
                        index++;
        }
        size_t n = strcspn(k.prefix, "=");
        _cleanup_free_ char *before = NULL;
        if (!o && k.prefix[n] == '=' && startswith(k.prefix, "--")) {
                o = option_with_value(k.prefix, n);
                before = strndup(k.prefix, n + 1);
                if (!o || !before)
                        return CTL_OK;
                k.before = before;
                k.prefix += n + 1;
        }
        if (o)
                complete_value(&k, o);
        else if (k.prefix[0] == '-')
                complete_options(&k, verb);
        else if (!verb)
                complete_verbs(&k);
        else
                complete_argument(&k, verb, index);
        return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* argv → options, verb, arguments. Options may stand anywhere; "--" ends them. */
#include "synctl/ctl.h"
#include "synctl/text.h"

#include <stdio.h>

bool ctl_option_applies(const CtlOptionInfo *o, const CtlVerb *v) {
        if (!o->verbs)
                return true;
        size_t n = strlen(v->name);
        for (const char *p = o->verbs; *p;) {
                size_t k = strcspn(p, " ");
                if (k == n && strncmp(p, v->name, n) == 0)
                        return true;
                p += k + strspn(p + k, " ");
        }
        return false;
}

const CtlVerb *ctl_verb_find(const char *name) {
        for (size_t i = 0; i < ctl_n_verbs; i++)
                if (streq(ctl_verbs[i].name, name))
                        return ctl_verbs + i;
        return NULL;
}

static const CtlOptionInfo *option_find(const char *name, size_t n) {
        for (size_t i = 0; i < ctl_n_options; i++)
                if (strlen(ctl_options[i].name) == n && strncmp(ctl_options[i].name, name, n) == 0)
                        return ctl_options + i;
        return NULL;
}

static const CtlOptionInfo *option_find_letter(char letter) {
        for (size_t i = 0; i < ctl_n_options; i++)
                if (ctl_options[i].letter == letter)
                        return ctl_options + i;
        return NULL;
}

static int append_list(char ***l, const char *value) {
        return strv_extend(l, value) < 0 ? ctl_oom() : 0;
}

/* Where the value of an option goes; one line an option. */
static int option_store(CtlOptions *o, const char *name, const char *value) {
        const struct {
                const char *name;
                bool *flag;
        } flags[] = {
                { "json", &o->json },   { "no-legend", &o->no_legend }, { "no-pager", &o->no_pager },
                { "quiet", &o->quiet }, { "full", &o->full },           { "no-block", &o->no_block },
                { "help", &o->help },   { "version", &o->version },     { "follow", &o->follow },
                { "dot", &o->dot },     { "force", &o->force },
        };
        const struct {
                const char *name;
                const char **value;
        } values[] = {
                { "since", &o->since }, { "until", &o->until }, { "lines", &o->lines },
                { "limit", &o->limit }, { "for", &o->span },    { "action", &o->action },
        };
        const struct {
                const char *name;
                char ***list;
        } lists[] = {
                { "service", &o->services },
                { "type", &o->types },
                { "set", &o->sets },
        };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++)
                if (streq(flags[i].name, name)) {
                        *flags[i].flag = true;
                        return 0;
                }
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (streq(values[i].name, name)) {
                        *values[i].value = value;
                        return 0;
                }
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (streq(lists[i].name, name))
                        return append_list(lists[i].list, value);
        assert(false);
        return 0;
}

static int unknown_option(const char *text, size_t n) {
        const char *names[64];
        char word[80];
        size_t k = 0;

        for (size_t i = 0; i < ctl_n_options && k < ELEMENTSOF(names); i++)
                names[k++] = ctl_options[i].name;
        snprintf(word, sizeof(word), "%.*s", (int) MIN(n, sizeof(word) - 1), text);
        const char *near = text_suggest(word, names, k);
        if (near)
                return ctl_fail(CTL_USAGE, "Unknown option --%s. Did you mean --%s?", word, near);
        return ctl_fail(CTL_USAGE, "Unknown option --%s. The options are listed by: synctl --help", word);
}

typedef struct Parser {
        Ctl *c;
        char **argv;
        int argc, i;
        uint64_t used; /* bit for each option that was given */
} Parser;

static int parse_long(Parser *p, const char *text) {
        size_t n = strcspn(text, "=");
        const CtlOptionInfo *o = option_find(text, n);

        if (!o)
                return unknown_option(text, n);
        const char *value = text[n] == '=' ? text + n + 1 : NULL;
        if (!o->value && value)
                return ctl_fail(CTL_USAGE, "Option --%s takes no value.", o->name);
        if (o->value && !value) {
                if (p->i + 1 >= p->argc)
                        return ctl_fail(CTL_USAGE, "Option --%s needs a value: --%s=%s", o->name, o->name, o->value);
                value = p->argv[++p->i];
        }
        p->used |= UINT64_C(1) << (o - ctl_options);
        return option_store(&p->c->o, o->name, value);
}

static int parse_short(Parser *p, const char *letters) {
        for (; *letters; letters++) {
                const CtlOptionInfo *o = option_find_letter(*letters);
                const char *value = NULL;

                if (!o)
                        return ctl_fail(CTL_USAGE, "Unknown option -%c. The options are listed by: synctl --help",
                                        *letters);
                if (o->value) {
                        if (letters[1])
                                value = letters + 1;
                        else if (p->i + 1 < p->argc)
                                value = p->argv[++p->i];
                        else
                                return ctl_fail(CTL_USAGE, "Option -%c needs a value: -%c %s", o->letter, o->letter,
                                                o->value);
                }
                p->used |= UINT64_C(1) << (o - ctl_options);
                int r = option_store(&p->c->o, o->name, value);
                if (r != 0 || value)
                        return r;
        }
        return 0;
}

static int unknown_verb(const char *word) {
        const char *names[64];
        size_t n = 0;

        for (size_t i = 0; i < ctl_n_verbs && n < ELEMENTSOF(names); i++)
                if (ctl_verbs[i].group)
                        names[n++] = ctl_verbs[i].name;
        const char *near = text_suggest(word, names, n);
        if (near)
                return ctl_fail(CTL_USAGE, "Unknown verb '%s'. Did you mean '%s'?", word, near);
        return ctl_fail(CTL_USAGE, "Unknown verb '%s'. The verbs are listed by: synctl --help", word);
}

static int check_options(const Parser *p) {
        for (size_t i = 0; i < ctl_n_options; i++)
                if ((p->used & UINT64_C(1) << i) && !ctl_option_applies(ctl_options + i, p->c->verb))
                        return ctl_fail(CTL_USAGE, "Option --%s does not go with '%s', only with: %s",
                                        ctl_options[i].name, p->c->verb->name, ctl_options[i].verbs);
        return 0;
}

int ctl_parse(Ctl *c, int argc, char *argv[]) {
        Parser p = { .c = c, .argv = argv, .argc = argc };
        bool options = true;

        assert(ctl_n_options <= 64);
        /* The completion verb gets half-typed options as they are. */
        bool raw = argc > 1 && streq(argv[1], "__complete");
        c->args = calloc((size_t) argc + 1, sizeof(char *));
        if (!c->args)
                return ctl_oom();
        for (p.i = 1; p.i < argc; p.i++) {
                const char *a = argv[p.i];
                int r = 0;
                if (!raw && options && streq(a, "--"))
                        options = false;
                else if (!raw && options && startswith(a, "--"))
                        r = parse_long(&p, a + 2);
                else if (!raw && options && a[0] == '-' && a[1])
                        r = parse_short(&p, a + 1);
                else if (!c->verb) {
                        c->verb = ctl_verb_find(a);
                        if (!c->verb)
                                return unknown_verb(a);
                } else
                        c->args[c->n_args++] = argv[p.i];
                if (r != 0)
                        return r;
        }
        if (c->o.help || c->o.version)
                return 0;
        if (!c->verb)
                c->verb = ctl_verb_find("list");
        int r = check_options(&p);
        if (r != 0)
                return r;
        if (c->n_args < c->verb->min_args)
                return ctl_fail(CTL_USAGE, "'%s' needs more: synctl %s %s", c->verb->name, c->verb->name,
                                c->verb->usage);
        if (c->n_args > c->verb->max_args) {
                if (c->verb->max_args == 0)
                        return ctl_fail(CTL_USAGE, "'%s' takes no arguments, but got '%s'.", c->verb->name,
                                        c->args[0]);
                return ctl_fail(CTL_USAGE, "Too many arguments for '%s', from '%s' on: synctl %s %s", c->verb->name,
                                c->args[c->verb->max_args], c->verb->name, c->verb->usage);
        }
        return 0;
}

void ctl_done(Ctl *c) {
        sd_bus_flush_close_unref(c->bus);
        strv_free(c->o.services);
        strv_free(c->o.types);
        strv_free(c->o.sets);
        free(c->args);
        *c = (Ctl){};
}

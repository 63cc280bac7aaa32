/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/list-view.h"
#include "synctl/text.h"

#include <stdio.h>

static void put_option(StrBuf *b, const CtlOptionInfo *o) {
        char left[64];

        snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? ',' : ' ', o->name, o->value ? "=" : "", o->value ?: "");
        text_pad(b, left, 27, false);
        strbuf_appendf(b, "%s%s\n", strlen(left) >= 27 ? "  " : "", o->help);
}

static void put_heading(const Ctl *c, StrBuf *b, const char *text) {
        strbuf_appendf(b, "\n%s%s%s\n", term_style(&c->term, STYLE_STRONG), text, term_style(&c->term, STYLE_NONE));
}

static int overview(Ctl *c) {
        _cleanup_strbuf_ StrBuf b = {};
        const char *group = NULL;

        strbuf_append(&b, "synctl [OPTIONS…] [VERB] [ARGUMENTS…]\n\nShows and commands the services that synd "
                          "supervises.\n");
        for (size_t i = 0; i < ctl_n_verbs; i++) {
                const CtlVerb *v = ctl_verbs + i;
                char left[64];
                if (!v->group)
                        continue;
                if (!group || !streq(group, v->group))
                        put_heading(c, &b, v->group);
                group = v->group;
                snprintf(left, sizeof(left), "  %s %s", v->name, v->usage);
                text_pad(&b, left, 27, false);
                strbuf_appendf(&b, "%s%s\n", text_width(left) >= 27 ? "  " : "", v->summary);
        }
        put_heading(c, &b, "Options for all verbs");
        for (size_t i = 0; i < ctl_n_options; i++)
                if (!ctl_options[i].verbs)
                        put_option(&b, ctl_options + i);
        strbuf_append(&b, "\nEach verb has more: synctl help VERB. The manual page is synctl(1).\n");
        return ctl_print_buf(c, &b);
}

static int one_verb(Ctl *c, const CtlVerb *v) {
        _cleanup_strbuf_ StrBuf b = {};
        bool any = false;

        strbuf_appendf(&b, "synctl %s %s\n\n%s.\n", v->name, v->usage, v->summary);
        if (v->details)
                strbuf_appendf(&b, "\n%s\n", v->details);
        for (size_t i = 0; i < ctl_n_options; i++)
                if (ctl_options[i].verbs && ctl_option_applies(ctl_options + i, v)) {
                        if (!any)
                                put_heading(c, &b, "Options");
                        any = true;
                        put_option(&b, ctl_options + i);
                }
        return ctl_print_buf(c, &b);
}

/* The tables themselves, for tools. */
static int as_json(Ctl *c) {
        _cleanup_json_ Json *o = NULL, *verbs = NULL, *options = NULL;

        if (json_new_object(&o) < 0 || json_new_array(&verbs) < 0 || json_new_array(&options) < 0)
                return ctl_oom();
        for (size_t i = 0; i < ctl_n_verbs; i++) {
                const CtlVerb *v = ctl_verbs + i;
                _cleanup_json_ Json *k = NULL;
                if (!v->group)
                        continue;
                if (json_new_object(&k) < 0 || json_set_string(k, "verb", v->name) < 0 ||
                    json_set_string(k, "arguments", v->usage) < 0 || json_set_string(k, "summary", v->summary) < 0 ||
                    json_set_string(k, "details", v->details) < 0 || json_append(verbs, k) < 0)
                        return ctl_oom();
        }
        for (size_t i = 0; i < ctl_n_options; i++) {
                const CtlOptionInfo *p = ctl_options + i;
                _cleanup_json_ Json *k = NULL;
                if (json_new_object(&k) < 0 || json_set_string(k, "option", p->name) < 0 ||
                    json_set_string(k, "value", p->value) < 0 || json_set_string(k, "verbs", p->verbs) < 0 ||
                    json_set_string(k, "summary", p->help) < 0 || json_append(options, k) < 0)
                        return ctl_oom();
        }
        if (json_set(o, "verbs", verbs) < 0 || json_set(o, "options", options) < 0)
                return ctl_oom();
        return ctl_print_json(c, o);
}

int verb_help(Ctl *c) {
        if (c->o.json)
                return as_json(c);
        /* "synctl VERB --help" and "synctl help VERB" */
        const CtlVerb *v = c->o.help ? c->verb : NULL;

        if (!c->o.help && c->n_args > 0) {
                v = ctl_verb_find(c->args[0]);
                if (!v)
                        return ctl_fail(CTL_USAGE, "Unknown verb '%s'. The verbs are listed by: synctl help",
                                        c->args[0]);
        }
        return v && !(c->o.help && streq(v->name, "help")) ? one_verb(c, v) : overview(c);
}

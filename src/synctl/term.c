/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/term.h"
#include "basic/string.h"

#include <langinfo.h>
#include <locale.h>
#include <strings.h>
#include <sys/ioctl.h>

static bool utf8_wanted(void) {
        static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
        const char *locale = NULL;

        for (size_t i = 0; i < ELEMENTSOF(variables) && isempty(locale); i++)
                locale = getenv(variables[i]);
        /* Nothing set says nothing about the terminal; today's terminals all speak UTF-8. An explicit C is meant. */
        if (isempty(locale))
                return true;
        if (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"))
                return true;
        if (streq(locale, "C") || streq(locale, "POSIX") || !setlocale(LC_CTYPE, ""))
                return false;
        return streq(nl_langinfo(CODESET), "UTF-8");
}

static bool colors_wanted(bool tty) {
        const char *e = getenv("SYSTEMD_COLORS");

        if (!isempty(e)) {
                int r = parse_boolean(e);
                if (r >= 0)
                        return r > 0;
                if (streq(e, "16") || streq(e, "256") || streq(e, "24bit"))
                        return true;
                /* "auto-16" and the like: the usual rules */
        }
        if (!isempty(getenv("NO_COLOR")) || !tty)
                return false;
        e = getenv("TERM");
        return !isempty(e) && !streq(e, "dumb");
}

static unsigned env_unsigned(const char *name) {
        const char *e = getenv(name);
        uint32_t v;

        return e && safe_atou32(e, &v) >= 0 && v > 0 && v < 10000 ? v : 0;
}

void term_size(Term *t) {
        struct winsize w = {};

        if (!t->tty) {
                t->columns = 0;
                t->rows = 0;
                return;
        }
        t->columns = env_unsigned("COLUMNS");
        t->rows = env_unsigned("LINES");
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
                w = (struct winsize){};
        if (t->columns == 0)
                t->columns = w.ws_col > 0 ? w.ws_col : 80;
        if (t->rows == 0)
                t->rows = w.ws_row > 0 ? w.ws_row : 24;
}

void term_init(Term *t) {
        *t = (Term){ .tty = isatty(STDOUT_FILENO) > 0 };
        t->colors = colors_wanted(t->tty);
        t->utf8 = utf8_wanted();
        term_size(t);
}

const char *term_style(const Term *t, Style s) {
        static const char *const sequences[_STYLE_MAX] = {
                [STYLE_NONE] = "\033[0m",     [STYLE_GOOD] = "\033[0;1;32m", [STYLE_WARN] = "\033[0;1;33m",
                [STYLE_BAD] = "\033[0;1;31m", [STYLE_DIM] = "\033[0;2m",     [STYLE_STRONG] = "\033[0;1m",
                [STYLE_HEADER] = "\033[0;4m", [STYLE_REVERSE] = "\033[0;7m",
        };
        return t->colors ? sequences[s] : "";
}

const char *term_glyph(const Term *t, Glyph g) {
        static const char *const glyphs[_GLYPH_MAX][2] = {
                [GLYPH_RUNNING] = { "*", "●" },      [GLYPH_DEGRADED] = { "!", "▲" },
                [GLYPH_FAILED] = { "x", "×" },       [GLYPH_STOPPED] = { "-", "○" },
                [GLYPH_ELLIPSIS] = { "...", "…" },   [GLYPH_TREE_BRANCH] = { "|-", "├─" },
                [GLYPH_TREE_RIGHT] = { "`-", "└─" }, [GLYPH_TREE_VERTICAL] = { "| ", "│ " },
                [GLYPH_ARROW] = { "->", "→" },       [GLYPH_DASH] = { "-", "–" },
        };
        return glyphs[g][t->utf8];
}

static const struct {
        const char *status;
        Glyph glyph;
        Style style;
        unsigned rank;
} statuses[] = {
        { "failed", GLYPH_FAILED, STYLE_BAD, 0 },      { "degraded", GLYPH_DEGRADED, STYLE_WARN, 1 },
        { "starting", GLYPH_DEGRADED, STYLE_WARN, 2 }, { "stopping", GLYPH_DEGRADED, STYLE_WARN, 2 },
        { "unknown", GLYPH_STOPPED, STYLE_WARN, 3 },   { "running", GLYPH_RUNNING, STYLE_GOOD, 4 },
        { "stopped", GLYPH_STOPPED, STYLE_NONE, 5 },
};

static size_t status_index(const char *status) {
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                if (streq_ptr(statuses[i].status, status))
                        return i;
        return 4; /* unknown */
}

Glyph status_glyph(const char *status) {
        return statuses[status_index(status)].glyph;
}

Style status_style(const char *status) {
        return statuses[status_index(status)].style;
}

unsigned status_rank(const char *status) {
        return statuses[status_index(status)].rank;
}

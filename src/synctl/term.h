/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the terminal can show: colour, UTF-8, size. The rules and variables are systemd's (systemctl(1),
 * "Environment"): SYSTEMD_COLORS, NO_COLOR, TERM, COLUMNS, LINES, and the locale's variables. */

#include "basic/macro.h"

typedef struct Term {
        bool tty; /* standard output is a terminal */
        bool colors, utf8;
        unsigned columns, rows; /* columns 0: no limit (not a terminal) */
} Term;

typedef enum Style {
        STYLE_NONE,
        STYLE_GOOD,
        STYLE_WARN,
        STYLE_BAD,
        STYLE_DIM,
        STYLE_STRONG,
        STYLE_HEADER,
        STYLE_REVERSE,
        _STYLE_MAX,
} Style;

/* Looks at standard output and the environment; never loads a locale. */
void term_init(Term *t);
/* Asks for the size again (after SIGWINCH). */
void term_size(Term *t);
/* Escape sequence, or "" without colours. term_style(t, STYLE_NONE) ends a style. */
const char *term_style(const Term *t, Style s);

/* ● ▲ × ○ and tree branches, or their ASCII stand-ins. */
typedef enum Glyph {
        GLYPH_RUNNING,
        GLYPH_DEGRADED,
        GLYPH_FAILED,
        GLYPH_STOPPED,
        GLYPH_ELLIPSIS,
        GLYPH_TREE_BRANCH,
        GLYPH_TREE_RIGHT,
        GLYPH_TREE_VERTICAL,
        GLYPH_ARROW,
        GLYPH_DASH,
        _GLYPH_MAX,
} Glyph;
const char *term_glyph(const Term *t, Glyph g);

/* Symbol and style of a service status ("running", …); unknown words get those of "unknown". */
Glyph status_glyph(const char *status) _pure_;
Style status_style(const char *status) _pure_;
/* Trouble first: failed 0, degraded 1, starting and stopping 2, unknown 3, running 4, stopped 5. */
unsigned status_rank(const char *status) _pure_;

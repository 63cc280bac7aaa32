/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/conf.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "basic/string.h"

#define WHITESPACE " \t\r\f\v"
#define LINE_MAX_BYTES (1024 * 1024)
#define FILE_MAX_BYTES (16 * 1024 * 1024)

typedef struct Parser {
        const char *name, *wanted; /* file; section or NULL for all */
        conf_line_t on_line;
        conf_bad_t on_bad;
        void *userdata;

        char *section; /* present one; NULL before the first and behind a broken header */
        bool lost; /* behind a broken header: that has been reported, its lines are not */
        StrBuf text; /* the logical line so far */
        unsigned line; /* physical */
        unsigned start; /* where the logical line began */
        bool continued; /* the last physical line ended in a backslash */
        const char *wrong; /* why the logical line cannot be used */
} Parser;

static void parser_done(Parser *p) {
        free(p->section);
        strbuf_done(&p->text);
}

static bool in_wanted_section(const Parser *p) {
        return !p->wanted || streq_ptr(p->section, p->wanted);
}

static void bad(const Parser *p, const char *reason) {
        if (p->on_bad)
                p->on_bad(p->name, p->start, reason, p->userdata);
}

/* "[Name]" */
static int take_header(Parser *p, char *s) {
        size_t n = strlen(s);
        bool ours = in_wanted_section(p) || (p->wanted && strncmp(s + 1, p->wanted, strlen(p->wanted)) == 0);

        if (n < 3 || s[n - 1] != ']' || strpbrk(s + 1, "[") || strcspn(s, "]") != n - 1) {
                if (ours)
                        bad(p, "invalid section header");
                free(TAKE_PTR(p->section));
                p->lost = true;
                return 0;
        }
        s[n - 1] = '\0';
        p->lost = false;
        return MIN(free_and_strdup(&p->section, s + 1), 0);
}

static int take_assignment(Parser *p, char *s) {
        char *eq = strchr(s, '=');
        ConfLine l = { .file = p->name, .line = p->start, .section = p->section };

        if (p->lost || !in_wanted_section(p))
                return 0;
        if (!eq || eq == s) {
                bad(p, eq ? "no key before '='" : "neither a section, an assignment nor a comment");
                return 0;
        }
        if (!p->section) {
                bad(p, "assignment outside of a section");
                return 0;
        }
        *eq = '\0';
        l.key = strstrip(s);
        l.value = strstrip(eq + 1);
        return p->on_line(&l, p->userdata);
}

/* The logical line is complete. */
static int take_line(Parser *p) {
        _cleanup_free_ char *storage = NULL;
        const char *wrong = p->wrong;
        char *s;

        p->wrong = NULL;
        p->continued = false;
        if (p->text.failed || strbuf_finish(&p->text, &storage) < 0)
                return -ENOMEM;
        s = strstrip(storage);
        if (!wrong && !utf8_is_valid(s, strlen(s)))
                wrong = "invalid UTF-8";
        if (wrong) {
                if (!p->lost && in_wanted_section(p))
                        bad(p, wrong);
                return 0;
        }
        if (!*s)
                return 0;
        return *s == '[' ? take_header(p, s) : take_assignment(p, s);
}

/* True when the line ends in a backslash that is not itself escaped. */
static bool ends_in_backslash(const char *s, size_t n) {
        size_t k = 0;

        while (k < n && s[n - 1 - k] == '\\')
                k++;
        return k % 2 == 1;
}

static void strip(const char **s, size_t *n) {
        while (*n > 0 && strchr(WHITESPACE, **s) && **s)
                (*s)++, (*n)--;
        while (*n > 0 && strchr(WHITESPACE, (*s)[*n - 1]) && (*s)[*n - 1])
                (*n)--;
}

/* One physical line without its newline. */
static int add_line(Parser *p, const char *s, size_t n) {
        bool more;

        p->line++;
        if (n > 0 && s[n - 1] == '\r')
                n--;
        more = ends_in_backslash(s, n);
        n -= more;
        strip(&s, &n);
        /* Also between the lines of a continued one. */
        if (n > 0 && IN_SET(*s, '#', ';'))
                return 0;
        if (!p->continued)
                p->start = p->line;
        if (memchr(s, '\0', n))
                p->wrong = p->wrong ?: "NUL byte";
        else if (n > LINE_MAX_BYTES || p->text.length + n > LINE_MAX_BYTES)
                p->wrong = p->wrong ?: "line too long";
        else {
                if (p->text.length > 0 && n > 0)
                        strbuf_append(&p->text, " ");
                strbuf_append_n(&p->text, s, n);
        }
        p->continued = more;
        return more ? 0 : take_line(p);
}

int conf_parse_text(const char *name, const char *text, size_t size, const char *section, conf_line_t on_line,
                    conf_bad_t on_bad, void *userdata) {
        _cleanup_(parser_done) Parser p = {
                .name = name,
                .wanted = section,
                .on_line = on_line,
                .on_bad = on_bad,
                .userdata = userdata,
        };
        const char *end;
        int r;

        assert(name);
        assert(text || size == 0);
        assert(on_line);
        /* A byte order mark, as some editors leave it. */
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                text += 3, size -= 3;
        for (; size > 0; size -= (size_t) (end - text), text = end) {
                const char *newline = memchr(text, '\n', size);
                size_t n = newline ? (size_t) (newline - text) : size;

                end = text + n + (newline ? 1 : 0);
                r = add_line(&p, text, n);
                if (r < 0)
                        return r;
        }
        return p.continued ? take_line(&p) : 0;
}

static bool is_dev_null(const struct stat *st) {
        struct stat null;

        return S_ISCHR(st->st_mode) && stat("/dev/null", &null) >= 0 && st->st_rdev == null.st_rdev;
}

static int read_all(int fd, StrBuf *b) {
        char buf[16384];

        for (;;) {
                ssize_t n = read(fd, buf, sizeof buf);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                if (b->length + (size_t) n > FILE_MAX_BYTES)
                        return -EFBIG;
                if (strbuf_append_n(b, buf, (size_t) n) < 0)
                        return -ENOMEM;
        }
}

int conf_parse_file(const char *path, const char *section, conf_line_t on_line, conf_bad_t on_bad, void *userdata) {
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        assert(path);
        /* Not blocking, should somebody have put a FIFO there. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (is_dev_null(&st))
                return 0;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        r = read_all(fd, &b);
        if (r < 0)
                return r;
        return conf_parse_text(path, b.data, b.length, section, on_line, on_bad, userdata);
}

typedef struct Load {
        const ConfItem *items;
        size_t n_items;
        void *destination;
        conf_bad_t on_bad;
        void *userdata;
} Load;

static const ConfItem *find_item(const Load *l, const ConfLine *line, bool *ret_section_known) {
        *ret_section_known = false;
        for (size_t i = 0; i < l->n_items; i++) {
                if (!streq(l->items[i].section, line->section))
                        continue;
                *ret_section_known = true;
                if (streq(l->items[i].key, line->key))
                        return l->items + i;
        }
        return NULL;
}

static int report(const Load *l, const ConfLine *line, const char *what, const char *text, const char *tail) {
        _cleanup_free_ char *clean = NULL, *reason = NULL;

        if (!l->on_bad)
                return 0;
        if (str_sanitize(text, 100, &clean) < 0 || str_printf(&reason, "%s '%s'%s", what, clean, tail) < 0)
                return -ENOMEM;
        l->on_bad(line->file, line->line, reason, l->userdata);
        return 0;
}

static void load_bad(const char *file, unsigned line, const char *reason, void *userdata) {
        const Load *l = userdata;

        if (l->on_bad)
                l->on_bad(file, line, reason, l->userdata);
}

static int load_line(const ConfLine *line, void *userdata) {
        _cleanup_free_ char *tail = NULL;
        const Load *l = userdata;
        const ConfItem *item;
        bool section_known;
        int r;

        if (startswith(line->section, "X-"))
                return 0;
        item = find_item(l, line, &section_known);
        if (!item)
                return section_known ? report(l, line, "unknown key", line->key, ", ignoring")
                                     : report(l, line, "unknown section", line->section, ", ignoring");
        r = item->parse(line->value, (char *) l->destination + item->offset);
        if (r >= 0 || r == -ENOMEM)
                return MIN(r, 0);
        if (str_printf(&tail, " for %s=%s, ignoring", item->key, r == -ERANGE ? " is out of range" : "") < 0)
                return -ENOMEM;
        return report(l, line, r == -ERANGE ? "value" : "bad value", line->value, tail);
}

int conf_load(char *const *files, const ConfItem *items, size_t n_items, void *destination, conf_bad_t on_bad,
              void *userdata) {
        Load l = { items, n_items, destination, on_bad, userdata };
        int r;

        assert(items);
        assert(destination);
        STRV_FOREACH (f, files) {
                _cleanup_free_ char *reason = NULL;

                r = conf_parse_file(*f, NULL, load_line, load_bad, &l);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && on_bad) {
                        if (str_printf(&reason, "cannot be read: %s", strerror(-r)) < 0)
                                return -ENOMEM;
                        on_bad(*f, 0, reason, userdata);
                }
        }
        return 0;
}

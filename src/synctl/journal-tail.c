/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/journal-tail.h"
#include "synctl/exec.h"
#include "synctl/text.h"

#include <stdio.h>

/* What journalctl prints is foreign text: each line is cleaned and cut. */
static int clean_lines(const char *raw, unsigned columns, char **ret) {
        const Term term = { .columns = columns, .utf8 = true };
        _cleanup_strbuf_ StrBuf b = {};

        while (*raw) {
                size_t n = strcspn(raw, "\n");
                _cleanup_free_ char *line = strndup(raw, n), *clean = NULL, *cut = NULL;
                if (!line || text_clean(line, &clean) < 0 || text_shorten(&term, clean, columns, &cut) < 0)
                        return -ENOMEM;
                strbuf_append(&b, cut);
                strbuf_append(&b, "\n");
                raw += n + (raw[n] == '\n');
        }
        return strbuf_finish(&b, ret);
}

void journal_tail(const char *unit, unsigned lines, unsigned columns, char **ret_log, char **ret_hint) {
        _cleanup_free_ char *out = NULL, *err = NULL;
        char n[16];

        snprintf(n, sizeof(n), "%u", lines);
        const char *const argv[] = { "journalctl", "--no-pager", "--quiet", "-o", "short", "-n", n, "-u", unit, NULL };
        int r = exec_capture(argv, 10, &out, &err);
        bool denied = (r > 0 && strcasestr(err ?: "", "permission")) ||
                      (r == 0 && isempty(out) && geteuid() != 0 && access("/var/log/journal", R_OK) < 0 &&
                       access("/run/log/journal", R_OK) < 0);
        if (denied)
                *ret_hint = strdup(
                                "No log lines: you may not read the system's journal. Use sudo, or become a member of "
                                "the group systemd-journal.");
        else if (r == -ENOENT)
                *ret_hint = strdup("No log lines: journalctl is not installed.");
        else if (r == -ETIMEDOUT)
                *ret_hint = strdup("No log lines: journalctl did not answer within 10s.");
        else if (r != 0)
                (void) str_printf(ret_hint, "No log lines: %s",
                                  r > 0 && !isempty(err) ? strtok(err, "\n") : "journalctl failed.");
        else if (!isempty(out))
                (void) clean_lines(out, columns, ret_log);
        else if (geteuid() != 0)
                *ret_hint = strdup("No log lines that you may see. Members of the group systemd-journal see all.");
        else
                *ret_hint = strdup("No log lines.");
}

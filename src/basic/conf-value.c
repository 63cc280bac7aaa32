/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parsers of single values. */
#include "basic/conf.h"
#include "basic/log.h"
#include "basic/string.h"
#include "basic/time.h"

#define WORDS_MAX 4096

int conf_parse_bool(const char *value, void *data) {
        int r = parse_boolean(value);

        if (r < 0)
                return r;
        *(bool *) data = r > 0;
        return 0;
}

int conf_parse_u32(const char *value, void *data) {
        return safe_atou32(value, data);
}

int conf_parse_u64(const char *value, void *data) {
        return safe_atou64(value, data);
}

int conf_parse_size(const char *value, void *data) {
        return parse_size(value, data);
}

int conf_parse_span(const char *value, void *data) {
        return parse_span(value, data);
}

int conf_parse_string(const char *value, void *data) {
        return MIN(free_and_strdup(data, isempty(value) ? NULL : value), 0);
}

int conf_parse_strv(const char *value, void *data) {
        _cleanup_strv_free_ char **words = NULL;
        char ***list = data, **joined;
        size_t n, n_words;
        int r;

        r = strv_split(value, " \t\n\r", &words);
        if (r < 0)
                return r;
        if (!words) {
                *list = strv_free(*list);
                return 0;
        }
        n = strv_length(*list);
        n_words = strv_length(words);
        if (n + n_words > WORDS_MAX)
                return -E2BIG;
        joined = reallocarray(*list, n + n_words + 1, sizeof *joined);
        if (!joined)
                return -ENOMEM;
        memcpy(joined + n, words, (n_words + 1) * sizeof *joined);
        free(TAKE_PTR(words));
        *list = joined;
        return 0;
}

int conf_parse_log_level(const char *value, void *data) {
        int r = log_level_from_string(value);

        if (r < 0)
                return r;
        *(int *) data = r;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include "basic/json.h"
#include "basic/string.h"

/* What is accepted is written as UTF-8, and read back it is the same; what is refused has a reason. */
static void check_round_trip(const Json *j) {
        _cleanup_free_ char *text = NULL, *again = NULL, *pretty = NULL;
        _cleanup_json_ Json *copy = NULL, *pretty_copy = NULL;

        CHECK(json_format(j, &text) == 0);
        CHECK(utf8_is_valid(text, strlen(text)));
        CHECK(!strchr(text, '\n'));
        CHECK(json_parse(text, strlen(text), SIZE_MAX, &copy, NULL) == 0);
        CHECK(json_format(copy, &again) == 0);
        CHECK(streq(text, again));

        CHECK(json_format_pretty(j, &pretty) == 0);
        CHECK(json_parse(pretty, strlen(pretty), SIZE_MAX, &pretty_copy, NULL) == 0);
        CHECK(json_type(pretty_copy) == json_type(j));
}

static void use_getters(const Json *j) {
        _cleanup_strv_free_ char **l = NULL;
        void *state = NULL;
        const char *key;
        Json *value;

        while (json_next(j, &state, &key, &value)) {
                CHECK(json_get(j, key) == value);
                (void) json_get_string(j, key);
                (void) json_get_bool(j, key, false);
                (void) json_get_int(j, key, -1);
                (void) json_get_uint(j, key, 1);
                (void) json_get_real(j, key, 0.5);
                (void) json_get_time(j, key);
                l = strv_free(l);
                CHECK(json_get_strv(j, key, &l) == 0 || json_type(value) == JSON_ARRAY);
                use_getters(value);
        }
        for (size_t i = 0; i < json_length(j); i++)
                use_getters(json_at(j, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ Json *j = NULL, *none = NULL;
        _cleanup_free_ char *error = NULL;
        int r;

        r = json_parse((const char *) data, size, SIZE_MAX, &j, &error);
        if (r < 0) {
                CHECK(r == -EINVAL || r == -E2BIG);
                CHECK(!j);
                CHECK(error && utf8_is_valid(error, strlen(error)));
                return 0;
        }
        CHECK(!error);
        CHECK(utf8_is_valid((const char *) data, size));
        CHECK(json_parse((const char *) data, size, size - 1, &none, NULL) == -E2BIG);
        check_round_trip(j);
        use_getters(j);
        return 0;
}

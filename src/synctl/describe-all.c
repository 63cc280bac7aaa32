/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/describe-all.h"

#define DESCRIBE_MAX 128 /* of one DescribeMany */

static int describe_page(Ctl *c, const char *doing, const ServiceRow *rows, size_t n, Json *all) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *reason = NULL;
        _cleanup_json_ Json *page = NULL;
        const char *text;

        int r = client_message(c, SYND_PATH, SYND_MANAGER, "DescribeMany", false, &m, NULL);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(m, "s", rows[i].unit);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, 0, &e, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = json_parse(text, strlen(text), 64 * 1024 * 1024, &page, &reason);
        for (size_t i = 0; i < json_length(page) && r >= 0; i++)
                r = json_append(all, json_at(page, i));
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return r < 0 ? client_error(c, doing, NULL, &e, r) : 0;
}

int describe_all(Ctl *c, const char *doing, const ServiceList *l, Json **ret) {
        _cleanup_json_ Json *all = NULL;

        if (json_new_array(&all) < 0)
                return ctl_oom();
        for (size_t i = 0; i < l->n; i += DESCRIBE_MAX) {
                int r = describe_page(c, doing, l->rows + i, MIN(l->n - i, (size_t) DESCRIBE_MAX), all);
                if (r != 0)
                        return r;
        }
        *ret = TAKE_PTR(all);
        return 0;
}

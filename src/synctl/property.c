/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/property.h"

int property_string(Ctl *c, const char *path, const char *interface, const char *name, sd_bus_error *e, char **ret) {
        sd_bus_message *reply = NULL;
        const char *value;

        int r = client_object(c, path, "org.freedesktop.DBus.Properties", "Get", false, e, &reply, "ss", interface,
                              name);
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "s", &value);
        if (r >= 0)
                r = str_copy(ret, value);
        sd_bus_message_unref(reply);
        return r;
}

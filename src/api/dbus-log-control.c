/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/dbus-log-control.h"
#include "api/request.h"
#include "basic/log.h"

#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        if (streq(name, "LogLevel"))
                return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
        if (streq(name, "LogTarget"))
                return sd_bus_message_append(reply, "s", log_target_to_string(log_get_target()));
        return sd_bus_message_append(reply, "s", "synd");
}

static int act_set(Request *r, sd_bus_error *error) {
        const Caller caller = request_caller(r);

        if (r->log_target) {
                log_set_target(log_target_from_string(r->log_target));
                log_notice("Log target set to %s by uid %u.", r->log_target, caller.uid);
        } else {
                log_set_max_level(r->log_level);
                log_notice("Log level set to %s by uid %u.", log_level_to_string(r->log_level), caller.uid);
        }
        return MIN(sd_bus_reply_method_return(r->message, NULL), 0);
}

/* Fills the request with a checked value, or sets the error. */
static int read_value(Request *r, const char *name, const char *value, sd_bus_error *error) {
        if (streq(name, "LogLevel")) {
                r->log_level = log_level_from_string(value);
                if (r->log_level < 0)
                        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "\"%.64s\" is no log level.", value);
                return 0;
        }
        if ((int) log_target_from_string(value) < 0)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "\"%.64s\" is no log target.", value);
        return free_and_strdup(&r->log_target, value);
}

/* Runs before the property table, whose setters cannot wait for polkit: takes the writes, leaves everything else to it. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *name, *value;
        Request *r;
        int k;

        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Set") <= 0)
                return 0;
        if (!sd_bus_message_has_signature(m, "ssv"))
                return 0;
        k = sd_bus_message_read(m, "ss", &interface, &name);
        if (k < 0)
                return k;
        if (!streq(interface, LOG_CONTROL_INTERFACE) || (!streq(name, "LogLevel") && !streq(name, "LogTarget")) ||
            (k = sd_bus_message_verify_type(m, 'v', "s")) <= 0) {
                k = sd_bus_message_rewind(m, true);
                return MIN(k, 0);
        }
        k = sd_bus_message_read(m, "v", "s", &value);
        if (k < 0)
                return k;

        k = request_new(userdata, m, error, &r);
        if (k < 0)
                return k;
        k = read_value(r, name, value, error);
        if (k < 0) {
                request_free(r);
                return k;
        }
        return request_authorized(r, VERB_CONFIGURE, NULL, act_set, error);
}

/* Never reached with a valid write, because on_message() takes those. */
static int set_property(sd_bus *bus, const char *path, const char *interface, const char *name, sd_bus_message *value,
                        void *userdata, sd_bus_error *error) {
        return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "%s takes a string.", name);
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_property, set_property, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_property, set_property, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_property, 0, 0),
        SD_BUS_VTABLE_END,
};

int dbus_log_control_add(Api *a) {
        sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_add_object(a->bus, &slot, LOG_CONTROL_PATH, on_message, a);
        if (r < 0)
                return r;
        r = api_add_slot(a, slot);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(a->bus, &slot, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, log_control_vtable, a);
        return r < 0 ? r : api_add_slot(a, slot);
}

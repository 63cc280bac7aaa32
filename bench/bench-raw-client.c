/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer that synd stands beside: an sd-bus client that does nothing but see a failure and call StartUnit. It sees the
 * failure as the first match on the unit's own path allows, keeps no log, judges nothing. */
#include "bench.h"

#include <stdlib.h>
#include <systemd/sd-bus.h>

static const char *unit;
static char *path;

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_error(m, NULL))
                fprintf(stderr, "StartUnit: %s\n", sd_bus_message_get_error(m)->message);
        return 0;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *key, *state;
        int r;

        if (sd_bus_message_read(m, "s", &interface) < 0 || strcmp(interface, "org.freedesktop.systemd1.Unit") != 0)
                return 0;
        if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &key) < 0)
                        return 0;
                if (strcmp(key, "ActiveState") == 0) {
                        if (sd_bus_message_read(m, "v", "s", &state) >= 0 && strcmp(state, "failed") == 0) {
                                (void) bench_tell("seen", unit, bench_now());
                                r = sd_bus_call_method_async(sd_bus_message_get_bus(m), NULL, "org.freedesktop.systemd1",
                                                             "/org/freedesktop/systemd1",
                                                             "org.freedesktop.systemd1.Manager", "StartUnit", on_started, NULL,
                                                             "ss", unit, "fail");
                                if (r < 0)
                                        fprintf(stderr, "StartUnit: %s\n", strerror(-r));
                        }
                } else if (sd_bus_message_skip(m, "v") < 0)
                        return 0;
                if (sd_bus_message_exit_container(m) < 0)
                        return 0;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        sd_bus *bus = NULL;
        int r;

        if (argc != 2)
                return 2;
        unit = argv[1];
        if (sd_bus_open_system(&bus) < 0 || sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0)
                return 1;
        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.systemd1", path, "org.freedesktop.DBus.Properties",
                                "PropertiesChanged", on_properties, NULL);
        if (r < 0 || sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                        "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL, NULL) < 0)
                return 1;
        (void) bench_tell("ready", unit, bench_now());
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return 1;
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        return 1;
        }
}

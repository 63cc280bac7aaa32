/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake-systemd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define UNIT "org.freedesktop.systemd1.Unit"
#define SERVICE "org.freedesktop.systemd1.Service"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* ---- dbus-daemon ---- */

static int write_config(const TestBus *b, char **ret_path) {
        _cleanup_free_ char *path = NULL;
        FILE *f;
        int r;

        r = str_printf(&path, "%s/bus.conf", b->directory);
        if (r < 0)
                return r;
        f = fopen(path, "we");
        if (!f)
                return -errno;
        /* As permissive as a system bus is for signals: anybody may send one to anybody. */
        fprintf(f,
                "<busconfig><type>custom</type><listen>unix:path=%s/bus</listen>"
                "<policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                "<allow own=\"*\"/><allow user=\"*\"/></policy>"
                "<limit name=\"max_replies_per_connection\">128</limit></busconfig>\n",
                b->directory);
        if (fclose(f) != 0)
                return -errno;
        *ret_path = TAKE_PTR(path);
        return 0;
}

int test_bus_start(TestBus *b) {
        _cleanup_free_ char *config = NULL, *option = NULL;
        struct pollfd p = { .events = POLLIN };
        int fds[2], r;
        char line[512];

        *b = (TestBus){};
        b->directory = strdup("/tmp/synos-test-bus-XXXXXX");
        if (!b->directory)
                return -ENOMEM;
        if (!mkdtemp(b->directory))
                return -errno;
        r = write_config(b, &config);
        if (r < 0)
                return r;
        r = str_printf(&option, "--config-file=%s", config);
        if (r < 0)
                return r;
        r = str_printf(&b->address, "unix:path=%s/bus", b->directory);
        if (r < 0)
                return r;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        b->pid = fork();
        if (b->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(fds[1], 3);
                dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* it grumbles about limits */
                execlp("dbus-daemon", "dbus-daemon", "--nofork", "--print-address=3", option, NULL);
                _exit(127);
        }
        close(fds[1]);
        /* The address is printed once it listens; without a dbus-daemon the pipe just closes. */
        p.fd = fds[0];
        r = poll(&p, 1, (int) (TEST_LIMIT_USEC / USEC_PER_MSEC));
        if (r > 0)
                r = (int) read(fds[0], line, sizeof(line));
        close(fds[0]);
        return b->pid > 0 && r > 0 ? 0 : -ENOENT;
}

void test_bus_kill(TestBus *b) {
        if (b->pid <= 0)
                return;
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
        b->pid = 0;
}

void test_bus_stop(TestBus *b) {
        static const char *const files[] = { "bus", "bus.conf" };

        test_bus_kill(b);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = NULL;

                if (b->directory && str_printf(&path, "%s/%s", b->directory, files[i]) >= 0)
                        (void) unlink(path);
        }
        if (b->directory)
                (void) rmdir(b->directory);
        free(b->directory);
        free(b->address);
        *b = (TestBus){};
}

int test_bus_connect(const TestBus *b, sd_event *event, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, b->address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* ---- units ---- */

static void *fake_unit_free(void *p) {
        FakeUnit *u = p;

        free(u->name);
        free(u->id);
        free(u);
        return NULL;
}

FakeUnit *fake_unit(FakeSystemd *f, const char *name) {
        FakeUnit *u = hashmap_get(f->units, name);

        if (u)
                return u;
        u = calloc(1, sizeof(*u));
        assert_non_null(u);
        *u = (FakeUnit){ .name = strdup(name),
                         .id = strdup(name),
                         .load = "loaded",
                         .active = "inactive",
                         .sub = "dead",
                         .result = "success",
                         .restart = "no" };
        assert_return_code(hashmap_put(f->units, name, u), 0);
        return u;
}

static int append_value(sd_bus_message *m, const FakeUnit *u, const char *property) {
        const uint8_t id[16] = { u->invocation };
        const struct {
                const char *name, *value;
        } words[] = { { "LoadState", u->load },
                      { "ActiveState", u->active },
                      { "SubState", u->sub },
                      { "Result", u->result },
                      { "Restart", u->restart } };
        const struct {
                const char *name;
                uint32_t value;
        } numbers[] = { { "MainPID", u->main_pid }, { "NRestarts", u->n_restarts } };
        static const char *const lists[] = { "Requires", "Wants",     "BindsTo",      "Requisite",  "Upholds",
                                             "After",    "Conflicts", "ConflictedBy", "TriggeredBy" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i].name, property))
                        return sd_bus_message_append(m, "v", "s", words[i].value);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(numbers[i].name, property))
                        return sd_bus_message_append(m, "v", "u", numbers[i].value);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (streq(lists[i], property))
                        return sd_bus_message_append(m, "v", "as", 1, "sysinit.target");
        if (streq(property, "PartOf"))
                return u->part_of ? sd_bus_message_append(m, "v", "as", 2, u->part_of, "system.slice")
                                  : sd_bus_message_append(m, "v", "as", 0);
        if (streq(property, "Job"))
                return sd_bus_message_append(m, "v", "(uo)", u->job, "/");
        if (streq(property, "ConditionResult"))
                return sd_bus_message_append(m, "v", "b", 1);
        if (streq(property, "ExecMainCode"))
                return sd_bus_message_append(m, "v", "i", u->exec_code);
        if (streq(property, "ExecMainStatus"))
                return sd_bus_message_append(m, "v", "i", u->exec_status);
        if (streq(property, "InvocationID")) {
                int r;

                r = sd_bus_message_open_container(m, 'v', "ay");
                if (r >= 0)
                        r = sd_bus_message_append_array(m, 'y', id, u->invocation ? 16 : 0);
                return r < 0 ? r : sd_bus_message_close_container(m);
        }
        return sd_bus_message_append(m, "v", "t",
                                     streq(property, "StateChangeTimestamp") ? u->state_change : UINT64_C(0));
}

/* ---- methods ---- */

static int on_get(FakeSystemd *f, sd_bus_message *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *name = NULL;
        const char *property;
        int r;

        r = sd_bus_message_read(m, "ss", NULL, &property);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        if (sd_bus_path_decode(sd_bus_message_get_path(m), SYSTEMD_PATH "/unit", &name) > 0) {
                FakeUnit *u = fake_unit(f, name);

                u->n_gets++;
                r = append_value(reply, u, property);
        } else
                r = sd_bus_message_append(reply, "v", "s", streq(property, "Version") ? "252.39-1" : f->system_state);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

void fake_release(FakeSystemd *f) {
        f->hold = false;
        for (size_t i = 0; i < f->n_held; i++) {
                assert_return_code(sd_bus_message_rewind(f->held[i], true), 0);
                assert_return_code(on_get(f, f->held[i]), 0);
                sd_bus_message_unref(f->held[i]);
        }
        f->n_held = 0;
}

static int on_list(FakeSystemd *f, sd_bus_message *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        int r;

        if (f->refuse_lists)
                return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoSuchUnit", "One of them is bad.");
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
                const FakeUnit *u = fake_unit(f, name);

                r = sd_bus_message_append(reply, "(ssssssouso)", u->id, "a description", u->load, u->active, u->sub,
                                          "", "/", u->job, "", "/");
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_job(FakeSystemd *f, sd_bus_message *m) {
        _cleanup_free_ char *path = NULL;
        const char *name;
        uint32_t id;

        if (sd_bus_message_read_basic(m, 's', &name) < 0)
                return -EINVAL;
        if (f->call_error)
                return sd_bus_reply_method_errorf(m, f->call_error, "No, not %s.", name);
        id = ++f->next_job;
        if (str_printf(&path, SYSTEMD_PATH "/job/%u", id) < 0)
                return -ENOMEM;
        fake_emit(f, "JobNew", "uos", id, path, name);
        return sd_bus_reply_method_return(m, "o", path);
}

static void log_member(FakeSystemd *f, const char *member) {
        _cleanup_free_ char *old = f->log;

        f->log = NULL;
        assert_return_code(str_printf(&f->log, "%s%s%s", old ?: "", old ? " " : "", member), 0);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        FakeSystemd *f = userdata;
        const char *member = sd_bus_message_get_member(m), *name;

        if (sd_bus_message_is_method_call(m, PROPERTIES, "Get")) {
                if (!f->hold)
                        return on_get(f, m) < 0 ? -EIO : 1;
                assert_true(f->n_held < ELEMENTSOF(f->held));
                f->held[f->n_held++] = sd_bus_message_ref(m);
                f->n_held_max = MAX(f->n_held_max, f->n_held);
                return 1;
        }
        if (!sd_bus_message_is_method_call(m, MANAGER, NULL))
                return 0;
        log_member(f, member);
        if (streq(member, "ListUnitsByNames"))
                return on_list(f, m) < 0 ? -EIO : 1;
        if (streq(member, "Subscribe"))
                return sd_bus_reply_method_return(m, NULL);
        if (streq(member, "LoadUnit"))
                return sd_bus_reply_method_return(m, "o", "/");
        if (streq(member, "ResetFailedUnit")) {
                if (sd_bus_message_read_basic(m, 's', &name) < 0 || !hashmap_get(f->units, name))
                        return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoSuchUnit", "Not loaded.");
                return sd_bus_reply_method_return(m, NULL);
        }
        return on_job(f, m) < 0 ? -EIO : 1;
}

int fake_systemd_start(FakeSystemd *f, const TestBus *b, sd_event *event) {
        int r;

        *f = (FakeSystemd){ .system_state = "running", .next_job = 100 };
        r = hashmap_new(&f->units, fake_unit_free);
        if (r >= 0)
                r = test_bus_connect(b, event, &f->bus);
        if (r >= 0)
                r = sd_bus_add_filter(f->bus, NULL, on_message, f);
        if (r >= 0)
                fake_own(f, true);
        return r;
}

void fake_systemd_stop(FakeSystemd *f) {
        for (size_t i = 0; i < f->n_held; i++)
                sd_bus_message_unref(f->held[i]);
        sd_bus_close_unref(f->bus);
        hashmap_free(f->units);
        free(f->log);
        *f = (FakeSystemd){};
}

void fake_forget_log(FakeSystemd *f) {
        f->log = free_(f->log);
}

void fake_own(FakeSystemd *f, bool own) {
        if (own)
                assert_return_code(sd_bus_request_name_async(f->bus, NULL, "org.freedesktop.systemd1", 0, NULL, NULL),
                                   0);
        else
                assert_return_code(sd_bus_release_name_async(f->bus, NULL, "org.freedesktop.systemd1", NULL, NULL), 0);
}

/* ---- signals ---- */

static void emit_changed(FakeSystemd *f, const FakeUnit *u, const char *interface, const char *const *properties,
                         size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = NULL;

        assert_return_code(sd_bus_path_encode(SYSTEMD_PATH "/unit", u->id, &path), 0);
        assert_return_code(sd_bus_message_new_signal(f->bus, &m, path, PROPERTIES, "PropertiesChanged"), 0);
        assert_return_code(sd_bus_message_append(m, "s", interface), 0);
        assert_return_code(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        for (size_t i = 0; i < n; i++) {
                assert_return_code(sd_bus_message_open_container(m, 'e', "sv"), 0);
                assert_return_code(sd_bus_message_append(m, "s", properties[i]), 0);
                assert_return_code(append_value(m, u, properties[i]), 0);
                assert_return_code(sd_bus_message_close_container(m), 0);
        }
        assert_return_code(sd_bus_message_close_container(m), 0);
        assert_return_code(sd_bus_message_append(m, "as", 0), 0);
        assert_return_code(sd_bus_send(f->bus, m, NULL), 0);
}

void fake_changed(FakeSystemd *f, const FakeUnit *u) {
        static const char *const service[] = { "MainPID", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts" };
        static const char *const unit[] = { "ActiveState", "SubState", "InvocationID", "StateChangeTimestamp", "Job" };

        emit_changed(f, u, SERVICE, service, ELEMENTSOF(service));
        emit_changed(f, u, UNIT, unit, ELEMENTSOF(unit));
}

void fake_emit(FakeSystemd *f, const char *member, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int r;

        assert_return_code(sd_bus_message_new_signal(f->bus, &m, SYSTEMD_PATH, MANAGER, member), 0);
        va_start(ap, types);
        assert_return_code(sd_bus_message_appendv(m, types, ap), 0);
        va_end(ap);
        r = sd_bus_send(f->bus, m, NULL);
        if (!IN_SET(r, -ENOTCONN, -ECONNRESET, -EPIPE)) /* a test may have killed the bus */
                assert_return_code(r, 0);
}

void fake_emit_property(sd_bus *from, const char *destination, const char *unit, const char *interface,
                        const char *property, const char *type, const char *value, const char *invalidated) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = NULL;

        assert_return_code(sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, &path), 0);
        assert_return_code(sd_bus_message_new_signal(from, &m, path, PROPERTIES, "PropertiesChanged"), 0);
        assert_return_code(sd_bus_message_append(m, "s", interface), 0);
        assert_return_code(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        if (property)
                assert_return_code(sd_bus_message_append(m, "{sv}", property, type, value), 0);
        assert_return_code(sd_bus_message_close_container(m), 0);
        assert_return_code(
                        sd_bus_message_append_strv(m, invalidated ? (char *[]){ (char *) invalidated, NULL } : NULL),
                        0);
        assert_return_code(sd_bus_send_to(from, m, destination, NULL), 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs against a synd that is a child process on a socket: what is asked, what is made of the answers. */
#include "unit.h"

#include "synctl/ctl.h"
#include "synctl/services.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MANAGER "org.synos.Supervisor1.Manager"
#define SERVICE "org.synos.Supervisor1.Service"

/* ---- the child ---- */

static int list_services(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        sd_bus_message *reply = NULL;

        /* One field more than this version knows. */
        assert(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert(sd_bus_message_open_container(reply, 'a', "(ssssssdttssbbboas)") >= 0);
        assert(sd_bus_message_append(reply, "(ssssssdttssbbboas)", "web", "web.service", "integration", "running",
                                     "active", "running", 1.0, (uint64_t) NOW, (uint64_t) 3, "idle", "", 1, 0, 0,
                                     "/org/synos/Supervisor1/service/web", 1, "new") >= 0);
        assert(sd_bus_message_append(reply, "(ssssssdttssbbboas)", "db", "postgresql.service", "infrastructure",
                                     "failed", "failed", "failed", 0.0, (uint64_t) NOW, (uint64_t) 0, "backoff", "", 1,
                                     0, 0, "/org/synos/Supervisor1/service/db", 0) >= 0);
        assert(sd_bus_message_close_container(reply) >= 0);
        int r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int get_service(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;

        assert(sd_bus_message_read(m, "s", &name) >= 0);
        if (streq(name, "web") || streq(name, "web.service"))
                return sd_bus_reply_method_return(m, "o", "/org/synos/Supervisor1/service/web");
        if (streq(name, "db") || streq(name, "postgresql.service") || streq(name, "postgresql"))
                return sd_bus_reply_method_return(m, "o", "/org/synos/Supervisor1/service/db");
        return sd_bus_error_setf(e, "org.synos.Supervisor1.Error.NoSuchService", "There is no supervised service %s.",
                                 name);
}

static int wait_action(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *id;

        assert(sd_bus_message_read(m, "s", &id) >= 0);
        return streq(id, "act-web") ? sd_bus_reply_method_return(m, "sss", "done", "", "{}")
                                    : sd_bus_reply_method_return(m, "sss", "failed",
                                                                 "The main process exited with status 1.", "{}");
}

static int restart(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "s", endswith(sd_bus_message_get_path(m), "web") ? "act-web" : "act-db");
}

static int stop(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_error_set(e, "org.synos.Supervisor1.Error.NotGranted", "Cannot stop web: it is not granted.");
}

static int check(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, NULL);
}

static int active_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", endswith(path, "web") ? "active" : "failed");
}

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *e) {
        *ret = NULL;
        return endswith(path, "/web") || endswith(path, "/db");
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListServices", NULL, "a(ssssssdttssbbboas)", list_services, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetService", "s", "o", get_service, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("WaitAction", "s", "sss", wait_action, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable service[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Restart", NULL, "s", restart, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Stop", NULL, "s", stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Check", NULL, NULL, check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("ActiveState", "s", active_state, 0, 0),
        SD_BUS_VTABLE_END,
};

static _Noreturn void serve(int fd) {
        sd_bus *bus = NULL;
        sd_id128_t id = {};

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        assert(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fd, fd) >= 0 && sd_bus_set_server(bus, 1, id) >= 0);
        assert(sd_bus_set_anonymous(bus, 1) >= 0 && sd_bus_set_trusted(bus, 1) >= 0 && sd_bus_start(bus) >= 0);
        assert(sd_bus_add_object_vtable(bus, NULL, "/org/synos/Supervisor1", MANAGER, manager, NULL) >= 0);
        assert(sd_bus_add_fallback_vtable(bus, NULL, "/org/synos/Supervisor1/service", SERVICE, service, find, NULL) >=
               0);
        for (;;) {
                int r = sd_bus_process(bus, NULL);
                if (r < 0)
                        _exit(0); /* the client left */
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        _exit(0);
        }
}

/* ---- the runs ---- */

static char out[8192], err[8192];

static void slurp(FILE *f, char *to, size_t size) {
        fflush(f);
        rewind(f);
        to[fread(to, 1, size - 1, f)] = 0;
        fclose(f);
}

/* Runs the command line in a child with a synd of its own; fills out and err. */
static int run(const char *const *words) {
        FILE *o = tmpfile(), *e = tmpfile();
        int pair[2], status = 0;

        assert_non_null(o);
        assert_non_null(e);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                char *argv[16] = { (char *) "synctl" };
                Ctl c = {};
                int argc = 1;
                for (; words[argc - 1]; argc++)
                        argv[argc] = (char *) words[argc - 1];
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        _exit(99);
                if (fork() == 0) {
                        close(pair[0]);
                        serve(pair[1]);
                }
                close(pair[1]);
                if (dup2(fileno(o), 1) < 0 || dup2(fileno(e), 2) < 0 || sd_bus_new(&c.bus) < 0 ||
                    sd_bus_set_fd(c.bus, pair[0], pair[0]) < 0 || sd_bus_set_anonymous(c.bus, 1) < 0 ||
                    sd_bus_start(c.bus) < 0)
                        _exit(98);
                term_init(&c.term);
                int r = ctl_parse(&c, argc, argv);
                if (r == 0)
                        r = c.verb->run(&c);
                ctl_done(&c);
                exit(r);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        slurp(o, out, sizeof(out));
        slurp(e, err, sizeof(err));
        return WEXITSTATUS(status);
}
#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static void test_list(void **state) {
        assert_int_equal(RUN("list", "--no-legend"), CTL_OK);
        assert_string_equal(out, "× db   infrastructure  failed   0.00  2026-11-24 14:06:12  0\n"
                                 "● web  integration     running  1.00  2026-11-24 14:06:12  3\n");
        assert_string_equal(err, "");
        assert_int_equal(RUN("list", "--json", "w*"), CTL_OK);
        assert_true(startswith(out, "[{\"name\":\"web\",") != NULL);
        assert_int_equal(RUN("list", "none-*", "--no-legend"), CTL_OK);
        assert_string_equal(out, "");
        assert_int_equal(RUN("list", "wbe"), CTL_NO_SUCH);
        assert_string_equal(err, "synctl: Cannot list wbe: no such service. Did you mean web?\n");
}

static void test_active(void **state) {
        assert_int_equal(RUN("is-active", "web"), CTL_OK);
        assert_string_equal(out, "active\n");
        assert_int_equal(RUN("is-active", "db"), CTL_NOT_ACTIVE);
        assert_string_equal(out, "failed\n");
        assert_int_equal(RUN("is-active", "postgresql.service"), CTL_NOT_ACTIVE); /* its path is not its unit's */
        assert_int_equal(RUN("is-active", "db", "web", "-q"), CTL_OK);
        assert_string_equal(out, "");
        assert_int_equal(RUN("is-active", "none"), CTL_NO_SUCH);
        assert_string_equal(out, "unknown\n");
        assert_int_equal(RUN("is-failed", "db"), CTL_OK);
        assert_int_equal(RUN("is-failed", "web"), CTL_FAILED);
        assert_int_equal(RUN("is-active", "web", "--json"), CTL_OK);
        assert_string_equal(out, "[{\"name\":\"web\",\"active_state\":\"active\"}]\n");
}

static void test_jobs(void **state) {
        assert_int_equal(RUN("restart", "web"), CTL_OK);
        assert_string_equal(out, "");
        assert_string_equal(err, "");
        assert_int_equal(RUN("restart", "web", "db"), CTL_FAILED);
        assert_string_equal(err, "synctl: The restart of db failed: The main process exited with status 1. See: "
                                 "synctl why db\n");
        assert_int_equal(RUN("restart", "web", "db", "--json"), CTL_FAILED);
        assert_true(startswith(out,
                               "[{\"name\":\"web\",\"verb\":\"restart\",\"action\":\"act-web\",\"result\":\"done\","
                               "\"status\":0},"
                               "{\"name\":\"db\",\"verb\":\"restart\",\"action\":\"act-db\",\"result\":\"failed\"") !=
                    NULL);
        assert_int_equal(RUN("restart", "db", "--no-block"), CTL_OK);
        assert_int_equal(RUN("stop", "web"), CTL_REFUSED);
        assert_string_equal(err, "synctl: Cannot stop web: it is not granted. As root: synctl adopt web\n");
        assert_int_equal(RUN("check", "web"), CTL_OK);
        /* One slip, nothing is done. */
        assert_int_equal(RUN("restart", "db", "wbe"), CTL_NO_SUCH);
        assert_lacks(err, "failed");
}

static void test_complete(void **state) {
        assert_int_equal(RUN("__complete", "resta"), CTL_OK);
        assert_true(startswith(out, "restart\t") != NULL);
        assert_int_equal(RUN("__complete", "maintenance", "o"), CTL_OK);
        assert_contains(out, "on\t");
        assert_contains(out, "off\t");
        assert_int_equal(RUN("__complete", "list", "--d"), CTL_OK);
        assert_string_equal(out, ""); /* --dot is of deps alone */
        assert_int_equal(RUN("__complete", "deps", "--d"), CTL_OK);
        assert_contains(out, "--dot\t");
        assert_int_equal(RUN("__complete", "nonsense", ""), CTL_OK);
        assert_string_equal(out, "");
}

static void test_help(void **state) {
        for (size_t i = 0; i < ctl_n_verbs; i++) {
                if (!ctl_verbs[i].group)
                        continue;
                assert_int_equal(RUN("help", ctl_verbs[i].name), CTL_OK);
                assert_contains(out, ctl_verbs[i].summary);
        }
        assert_int_equal(RUN("help"), CTL_OK);
        assert_lacks(out, "__complete");
        assert_int_equal(RUN("help", "nope"), CTL_USAGE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_list),     cmocka_unit_test(test_active), cmocka_unit_test(test_jobs),
                cmocka_unit_test(test_complete), cmocka_unit_test(test_help),
        };
        setenv("TZ", "UTC", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("SYSTEMD_COLORS");
        /* What the verbs would find by themselves must not be the bus of this machine. */
        setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

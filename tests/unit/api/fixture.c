/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WAIT_LIMIT (20 * USEC_PER_SEC)

char fixture_error_name[128], fixture_error_text[512];

int fixture_unavailable(void) {
        if (system("dbus-daemon --version >/dev/null 2>&1") == 0)
                return 0;
        printf("no dbus-daemon here, skipping\n");
        return 77;
}

/* ---- the bus ---- */

static const char config_text[] =
                "<busconfig><type>session</type><listen>unix:dir=%s</listen><auth>EXTERNAL</auth>"
                "<policy context='default'><allow user='*'/><allow own='*'/><allow send_type='method_call'/>"
                "<allow send_type='signal'/><allow send_type='method_return'/><allow send_type='error'/>"
                "<allow receive_type='method_call'/><allow receive_type='signal'/><allow "
                "receive_type='method_return'/>"
                "<allow receive_type='error'/></policy>"
                "<limit name='max_replies_per_connection'>128</limit></busconfig>";

static void start_daemon(Fixture *f) {
        char path[128], address[512];
        FILE *file;
        int fds[2];
        ssize_t n;

        snprintf(path, sizeof(path), "%s/bus.conf", f->dir);
        file = fopen(path, "we");
        assert_non_null(file);
        fprintf(file, config_text, f->dir);
        fclose(file);

        assert_int_equal(pipe(fds), 0);
        f->daemon = fork();
        assert_true(f->daemon >= 0);
        if (f->daemon == 0) {
                char config[160], print[32];

                close(fds[0]);
                /* Without privileges it complains that it cannot raise its limits. */
                if (!freopen("/dev/null", "we", stderr))
                        _exit(127);
                snprintf(config, sizeof(config), "--config-file=%s", path);
                snprintf(print, sizeof(print), "--print-address=%d", fds[1]);
                execlp("dbus-daemon", "dbus-daemon", "--nofork", config, print, NULL);
                _exit(127);
        }
        close(fds[1]);
        n = read(fds[0], address, sizeof(address) - 1);
        close(fds[0]);
        assert_true(n > 0);
        address[n] = 0;
        address[strcspn(address, "\n")] = 0;
        free(f->address);
        f->address = strdup(address);
        assert_non_null(f->address);
}

static void stop_daemon(Fixture *f) {
        if (f->daemon <= 0)
                return;
        kill(f->daemon, SIGKILL);
        waitpid(f->daemon, NULL, 0);
        f->daemon = 0;
}

sd_bus *fixture_connect(Fixture *f, bool as_user) {
        bool switch_user = as_user && geteuid() == 0;
        sd_bus *bus = NULL;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_address(bus, f->address) >= 0);
        assert_true(sd_bus_set_bus_client(bus, true) >= 0);
        assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
        /* The daemon goes by the credentials of the moment of connect(). */
        if (switch_user)
                assert_int_equal(seteuid(OTHER_UID), 0);
        assert_true(sd_bus_start(bus) >= 0);
        if (switch_user)
                assert_int_equal(seteuid(0), 0);
        assert_true(sd_bus_attach_event(bus, f->event, 0) >= 0);
        return bus;
}

/* ---- waiting ---- */

void fixture_wait_for(Fixture *f, bool (*condition)(void *userdata), void *userdata) {
        usec_t end = boottime_now() + WAIT_LIMIT;

        while (!condition(userdata)) {
                usec_t now = boottime_now();

                if (now >= end)
                        fail_msg("what was waited for did not come in time");
                assert_true(sd_event_run(f->event, end - now) >= 0);
        }
}

void fixture_ask_until(Fixture *f, bool (*condition)(void *userdata), void *userdata) {
        usec_t end = boottime_now() + WAIT_LIMIT;

        while (!condition(userdata))
                if (boottime_now() >= end)
                        fail_msg("what was asked for did not come in time");
}

static bool is_set(void *userdata) {
        return *(const bool *) userdata;
}

void fixture_wait(Fixture *f, const bool *done) {
        fixture_wait_for(f, is_set, (void *) done);
}

typedef struct Settle {
        Manager *manager;
        uint64_t seq;
} Settle;

static bool is_durable(void *userdata) {
        Settle *s = userdata;

        return eventlog_durable_seq(manager_eventlog(s->manager)) >= s->seq;
}

void fixture_settle(Fixture *f) {
        Settle s = { .manager = f->manager };
        Json *data;

        assert_true(json_new_object(&data) >= 0);
        s.seq = manager_emit(f->manager, "test.settle", "synd", NULL, PRIORITY_LOW, 0, ID128_NULL, data);
        fixture_wait_for(f, is_durable, &s);
        /* A round trip to the daemon: what was signalled before has been delivered. */
        (void) fixture_call(f, f->root, MANAGER, "GetService", NULL, "s", "no-such-service");
}

/* ---- calls ---- */

int pending_on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Pending *p = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        p->done = true;
        p->reply = sd_bus_message_ref(m);
        p->slot = sd_bus_slot_unref(p->slot);
        if (e) {
                p->error = -sd_bus_error_get_errno(e);
                snprintf(p->name, sizeof(p->name), "%s", e->name);
        }
        return 1;
}

static void start_call(Pending *p, sd_bus *client, const char *path, const char *interface, const char *member,
                       bool interactive, const char *types, va_list ap) {
        sd_bus_message *m = NULL;
        const char *destination = startswith(interface, "org.freedesktop.DBus") && streq(path, "/org/freedesktop/DBus")
                                                  ? "org.freedesktop.DBus"
                                                  : API_BUS_NAME;

        *p = (Pending){};
        assert_true(sd_bus_message_new_method_call(client, &m, destination, path, interface, member) >= 0);
        if (!isempty(types))
                assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        if (interactive)
                assert_true(sd_bus_message_set_allow_interactive_authorization(m, true) >= 0);
        assert_true(sd_bus_call_async(client, &p->slot, m, pending_on_reply, p, WAIT_LIMIT) >= 0);
        sd_bus_message_unref(m);
}

void pending_start(Pending *p, sd_bus *client, const char *path, const char *interface, const char *member,
                   bool interactive, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        start_call(p, client, path, interface, member, interactive, types, ap);
        va_end(ap);
}

void pending_done(Pending *p) {
        sd_bus_slot_unref(p->slot);
        sd_bus_message_unref(p->reply);
        *p = (Pending){};
}

static int finish_call(Fixture *f, Pending *p, sd_bus_message **ret) {
        int r;

        fixture_wait(f, &p->done);
        fixture_error_name[0] = fixture_error_text[0] = 0;
        if (p->error < 0) {
                snprintf(fixture_error_name, sizeof(fixture_error_name), "%s", p->name);
                snprintf(fixture_error_text, sizeof(fixture_error_text), "%s",
                         strnull(sd_bus_message_get_error(p->reply)->message));
        } else if (ret)
                *ret = sd_bus_message_ref(p->reply);
        r = p->error;
        pending_done(p);
        return r;
}

int fixture_call(Fixture *f, sd_bus *client, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret, const char *types, ...) {
        Pending p;
        va_list ap;

        va_start(ap, types);
        start_call(&p, client, path, interface, member, false, types, ap);
        va_end(ap);
        return finish_call(f, &p, ret);
}

Json *fixture_call_json(Fixture *f, sd_bus *client, const char *member, const char *types, ...) {
        sd_bus_message *reply = NULL;
        const char *text;
        Json *j = NULL;
        Pending p;
        va_list ap;

        va_start(ap, types);
        start_call(&p, client, MANAGER, member, false, types, ap);
        va_end(ap);
        if (finish_call(f, &p, &reply) < 0)
                fail_msg("%s: %s: %s", member, fixture_error_name, fixture_error_text);
        assert_true(sd_bus_message_read(reply, "s", &text) > 0);
        assert_true(json_parse(text, strlen(text), SIZE_MAX, &j, NULL) >= 0);
        sd_bus_message_unref(reply);
        return j;
}

/* ---- polkit ---- */

static int answer_polkit(sd_bus_message *m, PolkitMode mode) {
        switch (mode) {
        case FAKE_ALLOW:
                return sd_bus_reply_method_return(m, "(bba{ss})", 1, 0, 0);
        case FAKE_DENY:
                return sd_bus_reply_method_return(m, "(bba{ss})", 0, 0, 0);
        case FAKE_CHALLENGE:
                return sd_bus_reply_method_return(m, "(bba{ss})", 0, 1, 0);
        default:
                return sd_bus_reply_method_return(m, "(bba{ss})", 0, 1, 1, "polkit.dismissed", "true");
        }
}

static int on_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        FakePolkit *p = userdata;
        const char *kind, *key, *value, *action, *cancellation;

        p->asked++;
        p->unit[0] = p->verb[0] = 0;
        assert_true(sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &value, &action) > 0);
        assert_string_equal(kind, "system-bus-name");
        assert_string_equal(key, "name");
        snprintf(p->subject, sizeof(p->subject), "%s", value);
        snprintf(p->action, sizeof(p->action), "%s", action);
        assert_true(sd_bus_message_enter_container(m, 'a', "{ss}") > 0);
        while (sd_bus_message_read(m, "{ss}", &key, &value) > 0)
                if (streq(key, "unit"))
                        snprintf(p->unit, sizeof(p->unit), "%s", value);
                else if (streq(key, "verb"))
                        snprintf(p->verb, sizeof(p->verb), "%s", value);
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_read(m, "us", &p->flags, &cancellation) > 0);
        snprintf(p->cancellation, sizeof(p->cancellation), "%s", cancellation);
        if (p->mode == FAKE_HANG) {
                assert_true(p->n_held < ELEMENTSOF(p->held));
                p->held[p->n_held++] = sd_bus_message_ref(m);
                return 1;
        }
        return answer_polkit(m, p->mode);
}

static int on_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        FakePolkit *p = userdata;
        const char *id;

        assert_true(sd_bus_message_read(m, "s", &id) > 0);
        p->cancelled++;
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable polkit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int on_polkit_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(bool *) userdata = true;
        return 1;
}

void fixture_start_polkit(Fixture *f, PolkitMode mode) {
        bool named = false;
        sd_bus_slot *slot = NULL;

        fixture_stop_polkit(f);
        f->polkit.mode = mode;
        f->polkit.bus = fixture_connect(f, false);
        assert_true(sd_bus_add_object_vtable(f->polkit.bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", polkit_vtable, &f->polkit) >= 0);
        assert_true(sd_bus_request_name_async(f->polkit.bus, &slot, "org.freedesktop.PolicyKit1", 0, on_polkit_name,
                                              &named) >= 0);
        fixture_wait(f, &named);
        sd_bus_slot_unref(slot);
}

void fixture_stop_polkit(Fixture *f) {
        for (; f->polkit.n_held > 0; f->polkit.n_held--)
                sd_bus_message_unref(f->polkit.held[f->polkit.n_held - 1]);
        if (f->polkit.bus)
                f->polkit.bus = sd_bus_close_unref(f->polkit.bus);
        f->polkit = (FakePolkit){};
}

/* ---- life ---- */

static bool is_named(void *userdata) {
        return api_is_named(userdata);
}

static void connect_all(Fixture *f) {
        f->server = fixture_connect(f, false);
        assert_int_equal(api_set_bus(f->api, f->server), 0);
        fixture_wait_for(f, is_named, f->api);
        f->root = fixture_connect(f, false);
        f->user = fixture_connect(f, true);
}

static void disconnect_all(Fixture *f) {
        fixture_stop_polkit(f);
        if (f->api)
                assert_int_equal(api_set_bus(f->api, NULL), 0);
        f->root = sd_bus_close_unref(f->root);
        f->user = sd_bus_close_unref(f->user);
        f->server = sd_bus_close_unref(f->server);
}

void fixture_restart_bus(Fixture *f) {
        stop_daemon(f);
        disconnect_all(f);
        start_daemon(f);
        connect_all(f);
}

int fixture_setup_limits(void **state, const FakeOptions *options) {
        Fixture *f = calloc(1, sizeof(*f));
        FakeOptions o = *options;

        assert_non_null(f);
        snprintf(f->dir, sizeof(f->dir), "/tmp/synos-api-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        assert_int_equal(chmod(f->dir, 0755), 0);
        assert_true(sd_event_new(&f->event) >= 0);
        o.dir = f->dir;
        assert_int_equal(fake_manager_new(f->event, &o, &f->manager), 0);
        assert_int_equal(api_new(f->manager, &f->api), 0);
        start_daemon(f);
        connect_all(f);
        *state = f;
        return 0;
}

int fixture_setup(void **state) {
        return fixture_setup_limits(state, &(FakeOptions){});
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        return remove(path);
}

int fixture_teardown(void **state) {
        Fixture *f = *state;

        disconnect_all(f);
        f->api = api_free(f->api);
        f->manager = fake_manager_free(f->manager);
        stop_daemon(f);
        sd_event_unref(f->event);
        nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        free(f->address);
        free(f);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/follow.h"
#include "api/request.h"
#include "basic/log.h"
#include <pwd.h>
#include <stdio.h>

/* dbus-daemon lets one connection have about 128 calls under way (max_replies_per_connection); most of these belong to the
 * systemd client, so questions to polkit get a small window, and no single user all of it. */
#define POLKIT_WINDOW 24
#define POLKIT_WINDOW_USER 8

static void request_proceed(Request *r);

/* ---- clients ---- */

/* /etc/passwd only: other name services may wait for a network, and the loop may not. */
static char *local_user_name(uid_t uid) {
        FILE *f = fopen("/etc/passwd", "re");
        struct passwd *p;
        char *name = NULL;

        if (!f)
                return NULL;
        while (!name && (p = fgetpwent(f)))
                if (p->pw_uid == uid)
                        name = strdup(p->pw_name);
        fclose(f);
        return name;
}

Client *client_free(Client *c) {
        if (!c)
                return NULL;
        while (c->requests)
                request_free(c->requests);
        while (c->followers)
                follower_free(c->followers);
        sd_bus_slot_unref(c->match);
        sd_bus_slot_unref(c->uid_call);
        free(c->user);
        free(c->name);
        free(c);
        return NULL;
}

/* Takes it out of the map first, so that nothing finds it half freed. */
static void client_remove(Client *c) {
        (void) hashmap_remove(c->api->clients, c->name);
        client_free(c);
}

void client_release(Client *c) {
        /* Not in the map any more: client_free() is at work. */
        if (hashmap_get(c->api->clients, c->name) == c && !c->requests && !c->followers && !c->busy)
                client_remove(c);
}

static int client_get(Api *a, const char *name, Client **ret) {
        Client *c = hashmap_get(a->clients, name);
        int r;

        if (!c) {
                c = calloc(1, sizeof(*c));
                if (!c)
                        return -ENOMEM;
                c->api = a;
                c->name = strdup(name);
                r = c->name ? hashmap_put(a->clients, name, c) : -ENOMEM;
                if (r < 0) {
                        free(c->name);
                        free(c);
                        return r;
                }
        }
        *ret = c;
        return 0;
}

static int on_client_gone(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        client_remove(userdata);
        return 0;
}

static int on_uid(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Client *c = userdata;
        uint32_t uid;

        c->uid_call = sd_bus_slot_unref(c->uid_call);
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "u", &uid) < 0) {
                /* It left before the bus knew that we watch it; there is nobody to answer. */
                client_remove(c);
                return 1;
        }
        c->identified = true;
        c->uid = uid;
        c->user = local_user_name(uid);

        c->busy = true;
        for (Request *r = c->requests; r;) {
                if (!r->waiting) {
                        r = r->next;
                        continue;
                }
                r->waiting = false;
                request_proceed(r);
                r = c->requests;
        }
        c->busy = false;
        client_release(c);
        return 1;
}

/* The match is asked for before the uid: when the uid arrives, a later departure cannot be missed. */
static int client_identify(Client *c) {
        _cleanup_free_ char *rule = NULL;
        int r;

        if (c->identified || c->uid_call)
                return 0;
        r = str_printf(&rule,
                       "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                       "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s',arg2=''",
                       c->name);
        if (r < 0)
                return r;
        if (!c->match) {
                r = sd_bus_add_match_async(c->api->bus, &c->match, rule, on_client_gone, NULL, c);
                if (r < 0)
                        return r;
        }
        return sd_bus_call_method_async(c->api->bus, &c->uid_call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetConnectionUnixUser", on_uid, c, "s", c->name);
}

/* Calls and streams of all connections of this user together. */
static size_t user_load(const Api *a, uid_t uid, size_t *ret_polkit) {
        size_t n = 0, polkit = 0;
        Client *c;

        HASHMAP_FOREACH (c, a->clients) {
                if (!c->identified || c->uid != uid)
                        continue;
                n += c->n_calls + c->n_followers;
                for (const Request *r = c->requests; r; r = r->next)
                        polkit += r->polkit != NULL;
        }
        *ret_polkit = polkit;
        return n;
}

/* ---- requests ---- */

static int limit_error(Api *a, sd_bus_error *error, const char *what, size_t limit) {
        a->stats.refused_limit++;
        return sd_bus_error_setf(error, ERROR_LIMIT_REACHED, "Too many %s (at most %zu): let some of them end first.",
                                 what, limit);
}

int request_new(Api *a, sd_bus_message *m, sd_bus_error *error, Request **ret) {
        const char *sender = sd_bus_message_get_sender(m);
        const SyndConf *conf = manager_conf(a->manager);
        Request *r;
        Client *c;
        int k;

        if (!sender || !a->bus)
                return sd_bus_error_setf(error, ERROR_NOT_CONNECTED, "The call came over no bus.");
        a->stats.calls++;
        if (a->n_calls + a->n_followers >= conf->clients_max)
                return limit_error(a, error, "pending calls and streams on this host", conf->clients_max);
        k = client_get(a, sender, &c);
        if (k < 0)
                return k;
        if (c->n_calls >= conf->client_calls_max)
                return limit_error(a, error, "pending calls of one client", conf->client_calls_max);

        r = calloc(1, sizeof(*r));
        if (!r) {
                client_release(c);
                return -ENOMEM;
        }
        r->api = a;
        r->client = c;
        r->message = sd_bus_message_ref(m);
        r->next = c->requests;
        if (r->next)
                r->next->prev = r;
        c->requests = r;
        c->n_calls++;
        a->n_calls++;
        *ret = r;
        return 0;
}

Request *request_free(Request *r) {
        Client *c;

        if (!r)
                return NULL;
        c = r->client;
        if (r->prev)
                r->prev->next = r->next;
        else
                c->requests = r->next;
        if (r->next)
                r->next->prev = r->prev;
        c->n_calls--;
        r->api->n_calls--;
        if (r->polkit)
                r->api->n_polkit--;

        polkit_check_free(r->polkit);
        event_query_free(r->query);
        sd_bus_message_unref(r->message);
        json_unref(r->fields);
        event_filter_done(&r->filter);
        free(r->unit);
        free(r->subject);
        free(r->log_target);
        free(r);
        client_release(c);
        return NULL;
}

void request_finish(Request *r, int error, sd_bus_error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error own = SD_BUS_ERROR_NULL;

        if (error < 0) {
                if (!e || !sd_bus_error_is_set(e)) {
                        e = &own;
                        dbus_error_set_errno(e, error, NULL);
                }
                (void) sd_bus_reply_method_error(r->message, e);
        }
        request_free(r);
}

int request_run(Request *r, request_act_t act, sd_bus_error *error) {
        int k = act(r, error);

        if (k == 1)
                return 1;
        request_free(r);
        if (k < 0 && !sd_bus_error_is_set(error))
                dbus_error_set_errno(error, k, NULL);
        return k < 0 ? k : 1;
}

static int deny(Request *r, const GateAnswer *answer, const Subject *subject, const Service *s, sd_bus_error *error) {
        static const char *const names[] = {
                [DENY_NONE] = ERROR_INTERNAL,           [DENY_NO_SUCH_SERVICE] = ERROR_NO_SUCH_SERVICE,
                [DENY_PROTECTED] = ERROR_PROTECTED,     [DENY_NOT_GRANTED] = ERROR_NOT_GRANTED,
                [DENY_MAINTENANCE] = ERROR_MAINTENANCE, [DENY_ROLE] = ERROR_DENIED,
        };
        _cleanup_free_ char *text = NULL;
        int k;

        r->api->stats.denied++;
        k = gate_explain(answer, subject, r->verb, s ? s->config->name : r->unit, r->unit, &text);
        if (k < 0)
                return k;
        return sd_bus_error_setf(error, names[answer->reason], "%s", text);
}

static void on_polkit(PolkitCheck *p, PolkitResult result, const char *text, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Request *r = userdata;
        const char *verb = verb_to_string(r->verb), *what = r->unit ?: "the supervisor";
        int k = 0;

        r->polkit = polkit_check_free(r->polkit);
        r->api->n_polkit--;
        switch (result) {
        case POLKIT_ALLOWED:
                r->authorized = true;
                request_proceed(r);
                return;
        case POLKIT_DENIED:
                k = sd_bus_error_setf(
                                &error, ERROR_DENIED,
                                "Not authorised: polkit denies %s of %s. Use sudo, or have the administrator write a "
                                "polkit rule as in synd(8).",
                                verb, what);
                break;
        case POLKIT_OBTAINABLE:
                k = sd_bus_error_setf(&error, ERROR_AUTHORIZATION_REQUIRED,
                                      "Authentication is required for %s of %s: run it on a terminal, or as root.",
                                      verb, what);
                break;
        case POLKIT_DISMISSED:
                k = sd_bus_error_setf(&error, ERROR_AUTHORIZATION_DISMISSED,
                                      "The authentication for %s of %s was dismissed: try again, or run it as root.",
                                      verb, what);
                break;
        case POLKIT_UNAVAILABLE:
                k = sd_bus_error_setf(&error, ERROR_DENIED,
                                      "Cannot ask polkit about %s of %s (%s): only root may do that now.", verb, what,
                                      strnull(text));
                break;
        }
        r->api->stats.denied++;
        request_finish(r, k, &error);
}

static ProtectedBy protected_by(const Api *a, const ServiceConfig *c) {
        if (unit_is_protected_builtin(c->unit))
                return PROTECTED_BY_BUILTIN;
        if (unit_name_matches(c->unit, manager_conf(a->manager)->protected_units))
                return PROTECTED_BY_CONF;
        for (size_t i = 0; i < c->n_fields; i++)
                if (streq(c->fields[i].key, "Protected"))
                        return PROTECTED_BY_FILE;
        return PROTECTED_BY_OTHER_NAME;
}

/* 1: allowed; 0: polkit was asked, the answer comes later; negative: denied. */
static int check_gate(Request *r, sd_bus_error *error) {
        Client *c = r->client;
        const Service *s = r->unit ? supervisor_get(manager_supervisor(r->api->manager), r->unit) : NULL;
        const Subject subject = {
                .uid = c->uid,
                .user = c->user,
                .role = c->uid == 0 ? ROLE_ROOT : ROLE_USER,
                .surface = SURFACE_DBUS,
        };
        const GateService service = {
                .known = s,
                .granted = s && s->config->granted,
                .protected_ = s && s->config->protected_,
                .maintenance = s && s->maintenance,
                .protected_by = s ? protected_by(r->api, s->config) : 0,
        };
        GateAnswer answer = gate_check(&subject, r->verb, &service);
        size_t n_polkit;
        int k;

        if (answer.verdict == VERDICT_DENY)
                return deny(r, &answer, &subject, s, error);
        if (answer.verdict == VERDICT_ALLOW || r->authorized)
                return 1;

        (void) user_load(r->api, c->uid, &n_polkit);
        if (r->api->n_polkit >= POLKIT_WINDOW)
                return limit_error(r->api, error, "questions to polkit", POLKIT_WINDOW);
        if (n_polkit >= POLKIT_WINDOW_USER)
                return limit_error(r->api, error, "questions to polkit for one user", POLKIT_WINDOW_USER);
        k = polkit_check(r->api->bus, c->name, answer.action, r->unit, verb_to_string(r->verb),
                         sd_bus_message_get_allow_interactive_authorization(r->message) > 0, on_polkit, r, &r->polkit);
        if (k < 0)
                return k;
        r->api->n_polkit++;
        return 0;
}

static void request_proceed(Request *r) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint32_t max = manager_conf(r->api->manager)->clients_max;
        size_t n_polkit;
        int k = 1;

        /* One user may hold half of the host's places; root may hold them all. */
        if (r->client->uid != 0 && user_load(r->api, r->client->uid, &n_polkit) > MAX(max / 2, 1U))
                k = limit_error(r->api, &error, "pending calls and streams of one user", MAX(max / 2, 1U));
        else if (r->mutating)
                k = check_gate(r, &error);
        if (k == 0)
                return;
        if (k > 0) {
                k = r->act(r, &error);
                if (k == 1)
                        return;
        }
        request_finish(r, k, &error);
}

int request_identified(Request *r, request_act_t act, sd_bus_error *error) {
        int k;

        r->act = act;
        if (r->client->identified) {
                request_proceed(r);
                return 1;
        }
        k = client_identify(r->client);
        if (k < 0) {
                request_free(r);
                return dbus_error_set_errno(error, k, NULL);
        }
        r->waiting = true;
        return 1;
}

int request_authorized(Request *r, Verb verb, const char *unit, request_act_t act, sd_bus_error *error) {
        int k;

        r->mutating = true;
        r->verb = verb;
        k = free_and_strdup(&r->unit, unit);
        if (k < 0) {
                request_free(r);
                return dbus_error_set_errno(error, k, NULL);
        }
        return request_identified(r, act, error);
}

Caller request_caller(const Request *r) {
        return (Caller){ .uid = r->client->uid, .user = r->client->user, .via = surface_to_string(SURFACE_DBUS) };
}

size_t requests_waiting(Api *a, RequestWait wait, Id128 action, Request ***ret) {
        Request **l = calloc(a->n_calls + 1, sizeof(Request *));
        size_t n = 0;
        Client *c;

        if (l)
                HASHMAP_FOREACH (c, a->clients)
                        for (Request *r = c->requests; r; r = r->next)
                                if (r->wait == wait && (wait != WAIT_ACTION || id128_equal(r->action, action)))
                                        l[n++] = r;
        *ret = l;
        return n;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Clients and their pending calls. A Request is one call that cannot be answered at once; it ends when it is answered, when
 * its client leaves the bus, or when the bus does. A Client exists while it has requests or streams. */

#include "api/gate.h"
#include "api/internal.h"
#include "api/polkit.h"

struct Client {
        Api *api;
        char *name; /* unique name on the bus */
        sd_bus_slot *match, *uid_call; /* its departure; who it is */
        bool identified, busy;
        uid_t uid;
        char *user;
        size_t n_calls, n_followers;
        Request *requests;
        Follower *followers;
};

/* The work of a request. Negative with error set (or an errno alone): answered with that error. 0: it has replied.
 * 1: the reply comes later, by request_finish(). */
typedef int (*request_act_t)(Request *r, sd_bus_error *error);

/* What a request waits for that ends many at once. */
typedef enum RequestWait { WAIT_NONE, WAIT_ACTION, WAIT_LOG_CHECK } RequestWait;

struct Request {
        Api *api;
        Client *client;
        Request *next, *prev; /* of the client */
        sd_bus_message *message;
        request_act_t act;

        bool waiting; /* for the identity of the client */
        bool mutating, authorized;
        Verb verb;
        char *unit; /* what it is about, or NULL */
        PolkitCheck *polkit;

        EventQuery *query; /* reads */
        char *subject;
        uint32_t limit;
        RequestWait wait;
        Id128 action; /* WAIT_ACTION */
        Json *fields; /* Register */
        bool on; /* SetMaintenance */
        usec_t span;
        uint64_t after; /* Follow */
        EventFilter filter;
        int log_level; /* LogControl1 */
        char *log_target;
};

/* Takes up the call; -EDQUOT with error set at a limit of synd.conf. */
int request_new(Api *a, sd_bus_message *m, sd_bus_error *error, Request **ret);
/* Frees without an answer. */
Request *request_free(Request *r);
DEFINE_CLEANUP(Request *, request_free);

/* Each takes r over, answers now or later, and returns 1 or a negative errno with error set, for sd-bus.
 * request_run: at once, anybody may. request_identified: when the client's uid is known and its departure is watched.
 * request_authorized: identified, then gate and polkit for verb on unit (NULL: host-wide), looked at again before act. */
int request_run(Request *r, request_act_t act, sd_bus_error *error);
int request_identified(Request *r, request_act_t act, sd_bus_error *error);
int request_authorized(Request *r, Verb verb, const char *unit, request_act_t act, sd_bus_error *error);

/* Ends a request whose act returned 1: error < 0 answers with the error, 0 means that the reply was sent. Frees r. */
void request_finish(Request *r, int error, sd_bus_error *e);

/* The requests that wait for this (an action only: with this id), to be freed: answering one may free others. */
size_t requests_waiting(Api *a, RequestWait wait, Id128 action, Request ***ret);

/* Who asks, for the manager; valid while the client lives. */
Caller request_caller(const Request *r);

/* At the end of a stream or request: frees the client when nothing holds it. */
void client_release(Client *c);
/* Everything of the client ends now. */
Client *client_free(Client *c);

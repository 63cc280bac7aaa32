/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A dbus-daemon of our own, the Api with a fake manager on it, clients of two users, and a polkit whose answer the test sets.
 * Everything runs in one event loop; each wait has a time limit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/api.h"
#include "api/dbus-error.h"
#include "fake-manager.h"

#define OTHER_UID 65534 /* nobody */

typedef enum PolkitMode { FAKE_ALLOW, FAKE_DENY, FAKE_CHALLENGE, FAKE_DISMISSED, FAKE_HANG } PolkitMode;

typedef struct FakePolkit {
        sd_bus *bus;
        PolkitMode mode;
        unsigned asked, cancelled;
        char subject[64], action[128], unit[256], verb[32], cancellation[64];
        uint32_t flags;
        sd_bus_message *held[64];
        size_t n_held;
} FakePolkit;

typedef struct Fixture {
        char dir[64];
        char *address;
        pid_t daemon;
        sd_event *event;
        Manager *manager;
        Api *api;
        sd_bus *server;
        sd_bus *root; /* client with our own uid; skip tests of root's rights unless geteuid() == 0 */
        sd_bus *user; /* client of OTHER_UID, or of our own uid when that is not root */
        FakePolkit polkit;
} Fixture;

/* 77 for a test program when there is no dbus-daemon; else 0. */
int fixture_unavailable(void);

int fixture_setup(void **state);
int fixture_setup_limits(void **state, const FakeOptions *options);
int fixture_teardown(void **state);

sd_bus *fixture_connect(Fixture *f, bool as_user);
void fixture_start_polkit(Fixture *f, PolkitMode mode);
void fixture_stop_polkit(Fixture *f);
/* The dbus-daemon is killed and another one started; every connection but the Api's new one is gone. */
void fixture_restart_bus(Fixture *f);

/* Runs the loop until *done, or fails after 20 s. */
void fixture_wait(Fixture *f, const bool *done);
/* Runs the loop until f(userdata) is true. */
void fixture_wait_for(Fixture *f, bool (*condition)(void *userdata), void *userdata);
/* The same for a condition that makes calls: these run the loop themselves, and what is waited for may happen meanwhile. */
void fixture_ask_until(Fixture *f, bool (*condition)(void *userdata), void *userdata);
/* Until everything that was appended so far is durable and signalled. */
void fixture_settle(Fixture *f);

/* One method call; the loop runs until its answer. 0 and *ret (may be NULL), or a negative errno with the error's name and text in
 * fixture_error. */
int fixture_call(Fixture *f, sd_bus *client, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret, const char *types, ...);
extern char fixture_error_name[128], fixture_error_text[512];
/* Fails unless the call ends with this error name. */
#define assert_call_error(call, name)                          \
        do {                                                   \
                assert_true((call) < 0);                       \
                assert_string_equal(fixture_error_name, name); \
        } while (false)
/* A manager method that answers with one string, parsed as JSON. */
Json *fixture_call_json(Fixture *f, sd_bus *client, const char *member, const char *types, ...);

/* An asynchronous call of which the test looks at the answer later. */
typedef struct Pending {
        bool done;
        int error;
        char name[128];
        sd_bus_message *reply;
        sd_bus_slot *slot;
} Pending;
void pending_start(Pending *p, sd_bus *client, const char *path, const char *interface, const char *member,
                   bool interactive, const char *types, ...);
void pending_done(Pending *p);
int pending_on_reply(sd_bus_message *m, void *pending, sd_bus_error *error);

#define MANAGER API_ROOT, API_MANAGER_INTERFACE

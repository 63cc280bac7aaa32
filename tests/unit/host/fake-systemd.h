/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A dbus-daemon of the test's own, and on it a peer that plays org.freedesktop.systemd1. */

#include "basic/hash.h"
#include "basic/string.h"
#include "core/unit.h"
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* Every wait of a test ends after this. */
#define TEST_LIMIT_USEC (20 * USEC_PER_SEC)

typedef struct TestBus {
        char *directory, *address;
        pid_t pid;
} TestBus;
/* -ENOENT when there is no dbus-daemon on this machine. */
int test_bus_start(TestBus *b);
void test_bus_kill(TestBus *b);
void test_bus_stop(TestBus *b);
int test_bus_connect(const TestBus *b, sd_event *event, sd_bus **ret);

typedef struct FakeUnit {
        char *name, *id;
        const char *load, *active, *sub, *result, *restart;
        uint8_t invocation; /* first byte of the id, 0 = none */
        uint32_t job, main_pid, n_restarts;
        int32_t exec_code, exec_status;
        uint64_t state_change;
        const char *part_of;
        unsigned n_gets;
} FakeUnit;

typedef struct FakeSystemd {
        sd_bus *bus;
        HashMap *units;
        const char *system_state;
        uint32_t next_job;
        bool hold; /* keep Get calls unanswered, up to fake_release() */
        bool refuse_lists; /* ListUnitsByNames fails */
        const char *call_error; /* StartUnit and the like fail so */
        sd_bus_message *held[2048];
        size_t n_held, n_held_max;
        char *log; /* members of Manager that were called, in order: "Subscribe Get …" */
} FakeSystemd;

int fake_systemd_start(FakeSystemd *f, const TestBus *b, sd_event *event);
void fake_systemd_stop(FakeSystemd *f);
FakeUnit *fake_unit(FakeSystemd *f, const char *name);
void fake_release(FakeSystemd *f);
void fake_forget_log(FakeSystemd *f);
/* Takes or drops the well-known name. */
void fake_own(FakeSystemd *f, bool own);
/* Signals. */
void fake_changed(FakeSystemd *f, const FakeUnit *u); /* Service and Unit PropertiesChanged, as PID 1 does */
void fake_emit(FakeSystemd *f, const char *member, const char *types, ...);
/* PropertiesChanged of one interface with one property, from any connection, to destination (NULL = broadcast). */
void fake_emit_property(sd_bus *from, const char *destination, const char *unit, const char *interface,
                        const char *property, const char *type, const char *value, const char *invalidated);

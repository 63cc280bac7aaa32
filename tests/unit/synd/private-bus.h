/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A dbus-daemon at an address of its own, taken for the system bus (DBUS_SYSTEM_BUS_ADDRESS), that a test starts, stops and
 * kills; or a peer that accepts connections and never says a word. */

#include "basic/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include <cmocka.h>

typedef struct PrivateBus {
        char dir[64], address[96];
        pid_t daemon;
        int mute_fd;
} PrivateBus;

/* 0, or 77 when there is no dbus-daemon here. */
int private_bus_unavailable(void);
void private_bus_init(PrivateBus *b);
void private_bus_done(PrivateBus *b);
/* Returns when it listens. */
void private_bus_start(PrivateBus *b);
void private_bus_kill(PrivateBus *b);
/* It accepts connections (the kernel does) and answers nothing. */
void private_bus_start_mute(PrivateBus *b);

/* Runs the loop until the condition holds; fails the test at the limit. */
typedef bool (*condition_t)(void *userdata);
void run_until(sd_event *event, condition_t condition, void *userdata);
/* Runs the loop this long. */
void run_for(sd_event *event, usec_t span);

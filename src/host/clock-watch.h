/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Tells when somebody sets the wall clock, without polling (timerfd with TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)). */

#include "basic/time.h"
#include <systemd/sd-event.h>

typedef struct ClockWatch ClockWatch;
/* step_usec: how far realtime moved against boottime; steps under 100 ms are not told. */
typedef void (*clock_step_t)(int64_t step_usec, void *userdata);
int clock_watch_new(sd_event *event, clock_step_t cb, void *userdata, ClockWatch **ret);
ClockWatch *clock_watch_free(ClockWatch *c);
DEFINE_CLEANUP(ClockWatch *, clock_watch_free);

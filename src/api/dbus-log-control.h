/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* org.freedesktop.LogControl1(5), for systemctl service-log-level and service-log-target. */

#include "api/internal.h"

int dbus_log_control_add(Api *a);

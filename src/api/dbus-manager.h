/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* org.synos.Supervisor1.Manager, at /org/synos/Supervisor1. */

#include "api/internal.h"

int dbus_manager_add(Api *a);
/* PropertiesChanged for what changed in this turn of the loop. */
void dbus_manager_flush(Api *a);
/* Answers who waits for the action. */
void dbus_manager_action_finished(Api *a, const Action *action);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* org.synos.Supervisor1.Service, at /org/synos/Supervisor1/service/<name>. */

#include "api/object.h"

int dbus_service_add(Api *a);
/* Takes the present values as told (the object was just announced with them). */
void dbus_service_note_told(Object *o, const Service *s);
/* One PropertiesChanged for what differs from what was told last. */
void dbus_service_flush(Object *o);

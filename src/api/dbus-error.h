/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The error names of org.synos.Supervisor1(5), each with an errno of its own, so that a client may go by either. */

#include "basic/macro.h"
#include <systemd/sd-bus.h>

#define ERROR_NO_SUCH_SERVICE "org.synos.Supervisor1.Error.NoSuchService"
#define ERROR_AMBIGUOUS_NAME "org.synos.Supervisor1.Error.AmbiguousName"
#define ERROR_NO_SUCH_ACTION "org.synos.Supervisor1.Error.NoSuchAction"
#define ERROR_NO_SUCH_EVENT "org.synos.Supervisor1.Error.NoSuchEvent"
#define ERROR_NOT_GRANTED "org.synos.Supervisor1.Error.NotGranted"
#define ERROR_PROTECTED "org.synos.Supervisor1.Error.Protected"
#define ERROR_MAINTENANCE "org.synos.Supervisor1.Error.Maintenance"
#define ERROR_BUSY "org.synos.Supervisor1.Error.Busy"
#define ERROR_DEPENDENCY_UNMET "org.synos.Supervisor1.Error.DependencyUnmet"
#define ERROR_SHUTTING_DOWN "org.synos.Supervisor1.Error.ShuttingDown"
#define ERROR_NOT_CONNECTED "org.synos.Supervisor1.Error.NotConnected"
#define ERROR_INVALID_ARGUMENT "org.synos.Supervisor1.Error.InvalidArgument"
#define ERROR_LIMIT_REACHED "org.synos.Supervisor1.Error.LimitReached"
#define ERROR_DENIED "org.synos.Supervisor1.Error.Denied"
#define ERROR_AUTHORIZATION_REQUIRED "org.synos.Supervisor1.Error.AuthorizationRequired"
#define ERROR_AUTHORIZATION_DISMISSED "org.synos.Supervisor1.Error.AuthorizationDismissed"
#define ERROR_LOG_UNAVAILABLE "org.synos.Supervisor1.Error.LogUnavailable"
#define ERROR_INTERNAL "org.synos.Supervisor1.Error.Internal"

/* Tells libsystemd about the names; harmless to repeat. */
int dbus_error_register(void);

/* Sets the error that belongs to a negative errno, with text (a sentence; NULL: the words of the errno), and returns error.
 * An errno without a name of its own becomes Internal. */
int dbus_error_set_errno(sd_bus_error *e, int error, const char *text);
/* All names, NULL-terminated. */
const char *const *dbus_error_names(void);

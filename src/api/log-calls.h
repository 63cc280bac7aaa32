/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The methods of the manager object that ask the event log: ListEvents, Explain, CheckLog. userdata is the Api. */

#include "api/internal.h"

int log_call_list_events(sd_bus_message *m, void *userdata, sd_bus_error *error);
int log_call_explain(sd_bus_message *m, void *userdata, sd_bus_error *error);
int log_call_check(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* The Api goes: an answer of the check that is under way finds nobody. */
void log_check_forget(Api *a);

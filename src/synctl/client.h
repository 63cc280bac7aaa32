/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The way to synd: org.synos.Supervisor1 on the system bus. Calls never start synd by themselves (an administrator who
 * stopped it means it); what fails is told by client_error() in words. */

#include "basic/json.h"
#include "synctl/ctl.h"

#define SYND_BUS_NAME "org.synos.Supervisor1"
#define SYND_PATH "/org/synos/Supervisor1"
#define SYND_SERVICE_PREFIX SYND_PATH "/service"
#define SYND_MANAGER SYND_BUS_NAME ".Manager"
#define SYND_SERVICE SYND_BUS_NAME ".Service"
#define SYND_ERROR SYND_BUS_NAME ".Error."

/* Connects to the bus once: 0 or an exit status after saying why not. */
int client_open(Ctl *c);

/* A method call to the manager, or to any object: 0 or negative errno with e filled. interactive calls may ask for a
 * password on the terminal and wait two minutes for it. */
int client_manager(Ctl *c, const char *member, sd_bus_error *e, sd_bus_message **ret, const char *types, ...);
int client_object(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                  sd_bus_error *e, sd_bus_message **ret, const char *types, ...);
/* Builds such a call for sending asynchronously. */
int client_message(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                   sd_bus_message **ret, const char *types, ...);
/* A manager method whose reply is one string. */
int client_text(Ctl *c, const char *member, sd_bus_error *e, char **ret, const char *types, ...);
/* The same with the string parsed. */
int client_json(Ctl *c, const char *member, sd_bus_error *e, Json **ret, const char *types, ...);

/* Says "Cannot DOING NAME: what. What next." and returns the exit status that goes with it. name may be NULL. */
int client_error(Ctl *c, const char *doing, const char *name, const sd_bus_error *e, int r);
/* The sentence and the exit status alone (for tests and for several results at once). unit may be NULL. */
int client_error_text(const char *doing, const char *name, const sd_bus_error *e, int r, char **ret);
/* True if the error says that there is no such service (or action, event). */
bool client_error_no_such(const sd_bus_error *e);
/* True if nobody owns synd's name. */
bool client_error_no_synd(const sd_bus_error *e);

/* GetService (by service name, unit name, or one without ".service"): the object path, or negative errno with e. */
int client_find(Ctl *c, const char *name, sd_bus_error *e, char **ret_path);

/* Finds a service by its name, its unit name, or the unit name without ".service": 0 and the object path, or an exit
 * status after saying what is wrong (with the nearest name). */
int client_resolve(Ctl *c, const char *doing, const char *name, char **ret_path);

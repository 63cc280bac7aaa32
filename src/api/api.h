/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The D-Bus face of synd: org.synos.Supervisor1(5). It reads and commands the manager, and never waits: each outstanding call
 * is a request object that ends with its client. */

#include "synd/manager.h"
#include <systemd/sd-bus.h>

#define API_BUS_NAME "org.synos.Supervisor1"
#define API_ROOT "/org/synos/Supervisor1"
#define API_SERVICE_ROOT "/org/synos/Supervisor1/service"
#define API_MANAGER_INTERFACE "org.synos.Supervisor1.Manager"
#define API_SERVICE_INTERFACE "org.synos.Supervisor1.Service"

typedef struct Api Api;

/* Listens to the manager; the objects appear with api_set_bus(). manager must outlive the Api. -ENOMEM, -ENOBUFS (no place for
 * another listener), … */
int api_new(Manager *manager, Api **ret);
Api *api_free(Api *a);
DEFINE_CLEANUP(Api *, api_free);

/* A connection to the bus (again after a restart of dbus), or none (NULL): calls that were pending on the old one and the
 * streams of its clients are dropped. The objects are put on it and the well-known name is asked for, without waiting; until
 * it is ours no signal is sent. That another process owns the name, or that the policy of the bus denies it, is logged. */
int api_set_bus(Api *a, sd_bus *bus);
/* True once the well-known name is ours on the present connection. */
bool api_is_named(const Api *a);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Decodes org.freedesktop.systemd1.Unit and .Service properties (org.freedesktop.systemd1(5)) into values of core/unit.h.
 * Only properties of interest are looked at; a property of an unexpected type is passed over, as a newer systemd may
 * change what it likes as long as the message is well-formed. */

#include "core/unit.h"
#include <systemd/sd-bus.h>

typedef enum UnitInterface { INTERFACE_UNIT, INTERFACE_SERVICE } UnitInterface;
/* The D-Bus name. */
const char *unit_interface_name(UnitInterface i);

/* The snapshot and what it is derived from. */
typedef struct UnitRaw {
        UnitSnapshot snapshot;
        bool condition_result;
        usec_t condition_timestamp; /* realtime, 0 = never checked */
} UnitRaw;

/* Reads the a{sv} of PropertiesChanged into raw; relations are passed over (they have no change signals). The number of
 * properties of interest that were found, -EBADMSG, -ENOMEM. */
int unit_properties_read(sd_bus_message *m, UnitInterface i, UnitRaw *raw);
/* Reads the one variant of a Get reply into raw or relations: 1, or 0 for a property of no interest or another type. */
int unit_property_read(sd_bus_message *m, UnitInterface i, const char *name, UnitRaw *raw, UnitRelations *relations);
/* The words of one row of ListUnitsByNames. */
void unit_raw_set_state(UnitRaw *raw, const char *load, const char *active, const char *sub, uint32_t job_id);
/* Reads the invalidated names of PropertiesChanged: 1 if one of them is of interest. */
int unit_properties_read_invalidated(sd_bus_message *m, UnitInterface i);

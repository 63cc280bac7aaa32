/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One question to polkit, without waiting: is the owner of this bus name authorised for this action?
 * (org.freedesktop.PolicyKit1.Authority.CheckAuthorization; details may be given by a user other than root only when the
 * action names that user in its org.freedesktop.policykit.owner annotation.) */

#include "basic/macro.h"
#include <systemd/sd-bus.h>

typedef enum PolkitResult {
        POLKIT_ALLOWED,
        POLKIT_DENIED,
        POLKIT_OBTAINABLE, /* would be allowed after authentication, which could not take place */
        POLKIT_DISMISSED, /* the person closed the dialogue */
        POLKIT_UNAVAILABLE, /* polkit is absent or does not answer */
} PolkitResult;

typedef struct PolkitCheck PolkitCheck;
/* text: what polkit said for UNAVAILABLE, or NULL. The check may be freed in the callback. */
typedef void (*polkit_t)(PolkitCheck *p, PolkitResult result, const char *text, void *userdata);

/* sender: unique bus name of the subject. unit (may be NULL) and verb go into the details. interactive: polkit may ask the
 * person; the answer may then take up to five minutes. Freeing a pending check cancels it, the dialogue too. */
int polkit_check(sd_bus *bus, const char *sender, const char *action, const char *unit, const char *verb,
                 bool interactive, polkit_t cb, void *userdata, PolkitCheck **ret);
PolkitCheck *polkit_check_free(PolkitCheck *p);
DEFINE_CLEANUP(PolkitCheck *, polkit_check_free);

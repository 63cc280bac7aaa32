/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who may do what to which unit: the one answer for every surface. Pure; the tables in gate.c are the policy. */

#include "core/unit.h"
#include <sys/types.h>

typedef enum Surface { SURFACE_DBUS, SURFACE_REST, SURFACE_NATS, _SURFACE_MAX } Surface;
DECLARE_STRING_TABLE(surface, Surface);

/* What the surface found out about who asks. */
typedef enum Role {
        ROLE_ROOT, /* uid 0 of this host */
        ROLE_USER, /* another local user: polkit decides */
        ROLE_VIEWER, /* credentials that only read */
        ROLE_OPERATOR, /* credentials that act on services */
        ROLE_ADMIN, /* credentials that configure too */
        ROLE_ENGINE, /* the consciousness engine */
        _ROLE_MAX,
} Role;
DECLARE_STRING_TABLE(role, Role);

typedef struct Subject {
        uid_t uid;
        const char *user; /* NULL when the uid has no local name */
        Role role;
        Surface surface;
} Subject;

/* Where the protection of a unit comes from. */
typedef enum ProtectedBy {
        PROTECTED_BY_OTHER_NAME, /* a name on one of the lists that the unit also has */
        PROTECTED_BY_BUILTIN,
        PROTECTED_BY_CONF, /* ProtectedUnits= of synd.conf */
        PROTECTED_BY_FILE, /* Protected=yes of its own files */
} ProtectedBy;

/* What the gate must know of the service; known=false: no such service (yet). */
typedef struct GateService {
        bool known, granted, protected_, maintenance;
        ProtectedBy protected_by; /* when protected_ */
} GateService;

typedef enum Verdict { VERDICT_ALLOW, VERDICT_ASK, VERDICT_DENY } Verdict;

/* Why it was denied: the surfaces turn it into their own codes. */
typedef enum DenyReason {
        DENY_NONE,
        DENY_NO_SUCH_SERVICE,
        DENY_PROTECTED,
        DENY_NOT_GRANTED,
        DENY_MAINTENANCE, /* machines do not act in maintenance; people may */
        DENY_ROLE,
} DenyReason;
DECLARE_STRING_TABLE(deny_reason, DenyReason);

typedef struct GateAnswer {
        Verdict verdict;
        DenyReason reason; /* DENY */
        ProtectedBy protected_by; /* DENY_PROTECTED */
        const char *action; /* ASK: the polkit action, a literal */
} GateAnswer;

/* Polkit actions, by the kind of verb. */
#define POLKIT_ACTION_MANAGE "org.synos.supervisor1.manage-services"
#define POLKIT_ACTION_CONFIGURE "org.synos.supervisor1.configure"

GateAnswer gate_check(const Subject *subject, Verb verb, const GateService *service);

/* The reason as a sentence with its remedy, e.g. "Cannot restart web: it is not granted. …". unit may be NULL. */
int gate_explain(const GateAnswer *answer, const Subject *subject, Verb verb, const char *name, const char *unit,
                 char **ret);

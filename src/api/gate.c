/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/gate.h"

static const char *const surface_table[] = {
        [SURFACE_DBUS] = "dbus",
        [SURFACE_REST] = "rest",
        [SURFACE_NATS] = "nats",
};
DEFINE_STRING_TABLE(surface, Surface, surface_table);

static const char *const role_table[] = {
        [ROLE_ROOT] = "root",         [ROLE_USER] = "user",   [ROLE_VIEWER] = "viewer",
        [ROLE_OPERATOR] = "operator", [ROLE_ADMIN] = "admin", [ROLE_ENGINE] = "engine",
};
DEFINE_STRING_TABLE(role, Role, role_table);

static const char *const deny_reason_table[] = {
        [DENY_NONE] = "none",
        [DENY_NO_SUCH_SERVICE] = "no-such-service",
        [DENY_PROTECTED] = "protected",
        [DENY_NOT_GRANTED] = "not-granted",
        [DENY_MAINTENANCE] = "maintenance",
        [DENY_ROLE] = "role",
};
DEFINE_STRING_TABLE(deny_reason, DenyReason, deny_reason_table);

typedef enum VerbClass { CLASS_OPERATE, CLASS_CONFIGURE, _CLASS_MAX } VerbClass;

typedef struct VerbRule {
        VerbClass class;
        bool needs_service; /* a supervised service must be named */
        bool needs_grant; /* it reaches into the unit, so the unit's own files must allow it */
        const char *phrase; /* "Cannot <phrase> web" */
} VerbRule;

/* Looking, maintenance and configuration never touch the unit itself: they need no grant. */
static const VerbRule verb_rules[_VERB_MAX] = {
        [VERB_START] = { CLASS_OPERATE, true, true, "start" },
        [VERB_STOP] = { CLASS_OPERATE, true, true, "stop" },
        [VERB_RESTART] = { CLASS_OPERATE, true, true, "restart" },
        [VERB_RELOAD] = { CLASS_OPERATE, true, true, "reload" },
        [VERB_RESET_FAILED] = { CLASS_OPERATE, true, true, "reset the errors of" },
        [VERB_CHECK] = { CLASS_OPERATE, true, false, "check" },
        [VERB_MAINTENANCE] = { CLASS_OPERATE, true, false, "change the maintenance of" },
        [VERB_REWEIGHT] = { CLASS_OPERATE, true, true, "change the weight of" },
        [VERB_CONFIGURE] = { CLASS_CONFIGURE, false, false, "configure" },
};

/* ASK only where polkit can be asked: for a local user, who has a name on the system bus. */
static const Verdict role_rules[_ROLE_MAX][_CLASS_MAX] = {
        [ROLE_ROOT] = { [CLASS_OPERATE] = VERDICT_ALLOW, [CLASS_CONFIGURE] = VERDICT_ALLOW },
        [ROLE_USER] = { [CLASS_OPERATE] = VERDICT_ASK, [CLASS_CONFIGURE] = VERDICT_ASK },
        [ROLE_VIEWER] = { [CLASS_OPERATE] = VERDICT_DENY, [CLASS_CONFIGURE] = VERDICT_DENY },
        [ROLE_OPERATOR] = { [CLASS_OPERATE] = VERDICT_ALLOW, [CLASS_CONFIGURE] = VERDICT_DENY },
        [ROLE_ADMIN] = { [CLASS_OPERATE] = VERDICT_ALLOW, [CLASS_CONFIGURE] = VERDICT_ALLOW },
        [ROLE_ENGINE] = { [CLASS_OPERATE] = VERDICT_ALLOW, [CLASS_CONFIGURE] = VERDICT_DENY },
};

static const char *const polkit_actions[_CLASS_MAX] = {
        [CLASS_OPERATE] = POLKIT_ACTION_MANAGE,
        [CLASS_CONFIGURE] = POLKIT_ACTION_CONFIGURE,
};

static GateAnswer deny(DenyReason reason) {
        return (GateAnswer){ .verdict = VERDICT_DENY, .reason = reason };
}

GateAnswer gate_check(const Subject *subject, Verb verb, const GateService *service) {
        const VerbRule *rule;
        Verdict v;

        assert(subject && (unsigned) subject->role < _ROLE_MAX && (unsigned) subject->surface < _SURFACE_MAX);
        assert(service && (unsigned) verb < _VERB_MAX);
        rule = &verb_rules[verb];

        /* The order is what a person wants to know first: is there such a thing, may anyone touch it, may you. */
        if (rule->needs_service && !service->known)
                return deny(DENY_NO_SUCH_SERVICE);
        if (rule->needs_grant && service->protected_)
                return (GateAnswer){ .verdict = VERDICT_DENY,
                                     .reason = DENY_PROTECTED,
                                     .protected_by = service->protected_by };
        if (rule->needs_grant && !service->granted)
                return deny(DENY_NOT_GRANTED);
        if (rule->needs_grant && service->maintenance && subject->role == ROLE_ENGINE)
                return deny(DENY_MAINTENANCE);

        v = role_rules[subject->role][rule->class];
        if (v == VERDICT_DENY || (v == VERDICT_ASK && subject->surface != SURFACE_DBUS))
                return deny(DENY_ROLE);
        if (v == VERDICT_ASK)
                return (GateAnswer){ .verdict = VERDICT_ASK, .action = polkit_actions[rule->class] };
        return (GateAnswer){ .verdict = VERDICT_ALLOW };
}

static const char *const protected_by_words[] = {
        [PROTECTED_BY_OTHER_NAME] = "another of its names is on a list of protected units",
        [PROTECTED_BY_BUILTIN] = "the built-in list has it among what keeps the host alive and reachable",
        [PROTECTED_BY_CONF] = "ProtectedUnits= of synd.conf names it",
        [PROTECTED_BY_FILE] = "its own unit file says Protected=yes",
};

int gate_explain(const GateAnswer *answer, const Subject *subject, Verb verb, const char *name, const char *unit,
                 char **ret) {
        const char *phrase;

        assert(answer && answer->verdict == VERDICT_DENY && subject && (unsigned) verb < _VERB_MAX && ret);
        phrase = verb_rules[verb].phrase;
        name = name ?: unit ?: "the supervisor";

        switch (answer->reason) {
        case DENY_NO_SUCH_SERVICE:
                return str_printf(ret, "There is no supervised service %s. See: synctl list", name);
        case DENY_PROTECTED:
                return str_printf(ret, "Cannot %s %s: it is protected, %s. Use systemctl.", phrase, name,
                                  protected_by_words[answer->protected_by]);
        case DENY_NOT_GRANTED:
                return str_printf(ret,
                                  "Cannot %s %s: it is not granted. Its unit file has no Supervise=yes; as root: "
                                  "synctl adopt %s",
                                  phrase, name, unit ?: name);
        case DENY_MAINTENANCE:
                return str_printf(ret, "Cannot %s %s: it is in maintenance; to end that: synctl maintenance off %s",
                                  phrase, name, name);
        case DENY_ROLE:
                return str_printf(ret, "Cannot %s %s: a %s may not do that over %s.", phrase, name,
                                  role_to_string(subject->role), surface_to_string(subject->surface));
        case DENY_NONE:
                break;
        }
        return -EINVAL;
}

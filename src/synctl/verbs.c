/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs and the options: what parsing, help and completion go by. */
#include "synctl/ctl.h"

#define GROUP_LOOK "Looking"
#define GROUP_ACT "Acting"
#define GROUP_WHICH "Which services"
#define GROUP_SELF "synd itself"

const CtlVerb ctl_verbs[] = {
        { "list", "[PATTERN…]", 0, SIZE_MAX, verb_list, GROUP_LOOK, COMPLETE_SERVICE,
          "List services (also without a verb)",
          "A PATTERN is a service or unit name, or a glob such as 'web-*'. DETAIL tells what recovery waits for,\n"
          "maintenance, and whether synd has no grant to act." },
        { "status", "[PATTERN…]", 0, SIZE_MAX, verb_status, GROUP_LOOK, COMPLETE_SERVICE, "Show one service in full",
          "State, since when and why, what synd does next, budget, dependencies, grant, problems, what happened "
          "lately,\n"
          "and the last lines of the journal. Exit status: 0 running, 3 not running, 4 no such service." },
        { "is-active", "NAME…", 1, SIZE_MAX, verb_is_active, GROUP_LOOK, COMPLETE_SERVICE,
          "Tell whether one of them is active",
          "Prints the unit's state, a line each. Exit status: 0 at least one is active, 3 none is, 4 no such "
          "service." },
        { "is-failed", "NAME…", 1, SIZE_MAX, verb_is_failed, GROUP_LOOK, COMPLETE_SERVICE,
          "Tell whether one of them has failed",
          "Prints the unit's state, a line each. Exit status: 0 at least one has failed, 1 none has, 4 no such "
          "service." },
        { "why", "NAME|ACTION|SEQ", 1, 1, verb_why, GROUP_LOOK, COMPLETE_SERVICE,
          "Explain an act, back to the first observation",
          "With a service: its newest failure or automatic action. With the id of an action or the number of an "
          "event:\n"
          "that one. The newest act is on top, what led to it below, the first observation at the bottom." },
        { "events", "", 0, 0, verb_events, GROUP_LOOK, COMPLETE_NONE, "List what happened",
          "The newest 100 events, or all from --since on. With --follow it goes on with what happens, also over a "
          "restart\n"
          "of synd, and says so when events are missing." },
        { "logs", "NAME…", 1, SIZE_MAX, verb_logs, GROUP_LOOK, COMPLETE_SERVICE, "Show the journal of services",
          "Runs journalctl(1) for their units." },
        { "deps", "[NAME]", 0, 1, verb_deps, GROUP_LOOK, COMPLETE_SERVICE, "Show what depends on what",
          "With --dot the graph for graphviz: synctl deps --dot | dot -Tsvg > deps.svg" },
        { "top", "", 0, 0, verb_top, GROUP_LOOK, COMPLETE_NONE, "Watch all services live",
          "Sorted by trouble, then restarts. Keys: q leaves, j k or the arrows move, s changes the order, ? helps." },

        { "start", "NAME…", 1, SIZE_MAX, verb_start, GROUP_ACT, COMPLETE_SERVICE,
          "Start services, and first what they need",
          "Waits for the true result. Ctrl-C ends the waiting, not the work." },
        { "stop", "NAME…", 1, SIZE_MAX, verb_stop, GROUP_ACT, COMPLETE_SERVICE, "Stop services",
          "synd leaves a service alone that a person has stopped." },
        { "restart", "NAME…", 1, SIZE_MAX, verb_restart, GROUP_ACT, COMPLETE_SERVICE, "Restart services",
          "Waits for the true result. Ctrl-C ends the waiting, not the work." },
        { "reload", "NAME…", 1, SIZE_MAX, verb_reload, GROUP_ACT, COMPLETE_SERVICE,
          "Let services reload their configuration", NULL },
        { "check", "NAME…", 1, SIZE_MAX, verb_check, GROUP_ACT, COMPLETE_SERVICE, "Look at the unit again, now",
          NULL },
        { "reset-failed", "NAME…", 1, SIZE_MAX, verb_reset_failed, GROUP_ACT, COMPLETE_SERVICE,
          "Forget failures and spent budgets", NULL },
        { "maintenance", "on|off NAME…", 2, SIZE_MAX, verb_maintenance, GROUP_ACT, COMPLETE_MAINTENANCE,
          "Watch without acting", "With --for 1h it ends by itself." },

        { "adopt", "UNIT…", 1, SIZE_MAX, verb_adopt, GROUP_WHICH, COMPLETE_UNIT, "Let synd act on a unit (as root)",
          "Writes /etc/systemd/system/UNIT.d/50-synos.conf with [X-Synos] Supervise=yes, and what --set adds, then "
          "lets\n"
          "systemd read it. A file of that name that another hand wrote is left alone, unless --force is given." },
        { "release", "UNIT…", 1, SIZE_MAX, verb_release, GROUP_WHICH, COMPLETE_SERVICE,
          "Take back what adopt wrote (as root)",
          "Removes the drop-in, and says so when the section still comes from another file." },
        { "register", "UNIT [KEY=VALUE…]", 1, SIZE_MAX, verb_register, GROUP_WHICH, COMPLETE_UNIT,
          "Observe a unit, or set its fields, at run time",
          "The fields of synos.unit(5) that do not widen synd's power. They are kept over restarts and override the "
          "unit's\n"
          "files. Without a grant the unit is observed only." },
        { "unregister", "UNIT", 1, 1, verb_unregister, GROUP_WHICH, COMPLETE_SERVICE, "Forget what register set",
          NULL },
        { "cat", "NAME…", 1, SIZE_MAX, verb_cat, GROUP_WHICH, COMPLETE_SERVICE,
          "Show the merged declaration, and each field's origin", NULL },

        { "doctor", "", 0, 0, verb_doctor, GROUP_SELF, COMPLETE_NONE, "Check what commonly goes wrong, with remedies",
          "Exit status: 0 all is well (warnings included), 1 something is broken." },
        { "config", "", 0, 0, verb_config, GROUP_SELF, COMPLETE_NONE, "Show synd's own configuration in force", NULL },
        { "version", "", 0, 0, verb_version, GROUP_SELF, COMPLETE_NONE, "Show the versions of synctl and synd", NULL },
        { "help", "[VERB]", 0, 1, verb_help, GROUP_SELF, COMPLETE_VERB, "Show this, or the help of a verb", NULL },

        { "__complete", "WORD…", 0, SIZE_MAX, verb_complete, NULL, COMPLETE_NONE, "", NULL },
};
const size_t ctl_n_verbs = ELEMENTSOF(ctl_verbs);

const CtlOptionInfo ctl_options[] = {
        { "json", 0, NULL, NULL, "Print JSON" },
        { "full", 'l', NULL, NULL, "Shorten nothing, absolute times" },
        { "no-legend", 0, NULL, NULL, "No headings and no summary" },
        { "no-pager", 0, NULL, NULL, "No pager" },
        { "quiet", 'q', NULL, NULL, "Errors only" },
        { "help", 'h', NULL, NULL, "Show help" },
        { "version", 0, NULL, NULL, "Show the version" },
        { "no-block", 0, NULL, "start stop restart reload reset-failed check", "Do not wait for the result" },
        { "follow", 'f', NULL, "events logs", "Go on with what happens" },
        { "since", 'S', "SEQ|TIME", "events logs", "From this event number (events only) or time on" },
        { "until", 'U', "TIME", "events logs", "Up to this time" },
        { "service", 's', "NAME", "events", "Only of this service (may be repeated)" },
        { "type", 't', "TYPE", "events", "Only of this type, e.g. service.failed, 'recovery.*' (may be repeated)" },
        { "action", 0, "ID", "events", "Only of this action" },
        { "limit", 0, "N", "events", "At most N events" },
        { "lines", 'n', "N", "status logs", "Lines of the journal" },
        { "for", 0, "SPAN", "maintenance", "End by itself after this time, e.g. 1h" },
        { "set", 0, "KEY=VALUE", "adopt", "A further line for [X-Synos] (may be repeated)" },
        { "force", 0, NULL, "adopt release", "Also replace or remove a drop-in that another hand wrote" },
        { "dot", 0, NULL, "deps", "Print the graph for graphviz" },
};
const size_t ctl_n_options = ELEMENTSOF(ctl_options);

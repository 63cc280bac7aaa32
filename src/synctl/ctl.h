/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What one run of synctl carries around: the options, the verb and its arguments, the terminal and the bus. */

#include "basic/string.h"
#include "basic/time.h"
#include "synctl/term.h"
#include <systemd/sd-bus.h>

/* Exit statuses, as documented in synctl(1). 3 and 4 are those of LSB and of systemctl is-active and status. */
enum {
        CTL_OK = 0,
        CTL_FAILED = 1, /* it was tried and failed; also: is-failed says no, doctor found a failure */
        CTL_USAGE = 2, /* unknown verb or option, wrong number of arguments, a value that does not parse */
        CTL_NOT_ACTIVE = 3, /* is-active, status: not running */
        CTL_NO_SUCH = 4, /* no such service, unit, action or event */
        CTL_NOT_PERMITTED = 5, /* polkit (or the file system) says no to this user */
        CTL_REFUSED = 6, /* synd refuses, whoever asks: no grant, protected, dependency, busy, shutdown */
        CTL_NO_SYND = 7, /* synd or the bus cannot be reached */
};

typedef struct CtlOptions {
        bool json, no_legend, no_pager, quiet, full, no_block, help, version;
        bool follow, dot, force;
        const char *since, *until, *action;
        const char *lines, *limit; /* as given; verbs parse what they take */
        const char *span; /* --for */
        char **services, **types, **sets;
} CtlOptions;

typedef struct CtlVerb CtlVerb;

typedef struct Ctl {
        CtlOptions o;
        const CtlVerb *verb;
        char **args; /* behind the verb */
        size_t n_args;
        Term term;
        sd_bus *bus;
} Ctl;

typedef enum CompleteKind {
        COMPLETE_NONE,
        COMPLETE_SERVICE,
        COMPLETE_UNIT,
        COMPLETE_VERB,
        COMPLETE_MAINTENANCE
} CompleteKind;

struct CtlVerb {
        const char *name;
        const char *usage; /* arguments, for people */
        size_t min_args, max_args;
        int (*run)(Ctl *c); /* returns an exit status; has said what went wrong */
        const char *group; /* heading in the help; NULL = hidden */
        CompleteKind complete;
        const char *summary; /* one line */
        const char *details; /* more lines for "synctl help VERB", or NULL */
};

typedef struct CtlOptionInfo {
        const char *name;
        char letter; /* 0 = none */
        const char *value; /* what the argument is called, NULL = no argument */
        const char *verbs; /* words separated by spaces, NULL = all */
        const char *help;
} CtlOptionInfo;

/* The tables of main. */
extern const CtlVerb ctl_verbs[];
extern const size_t ctl_n_verbs;
extern const CtlOptionInfo ctl_options[];
extern const size_t ctl_n_options;
const CtlVerb *ctl_verb_find(const char *name);
bool ctl_option_applies(const CtlOptionInfo *o, const CtlVerb *v);

/* Sorts argv into options, verb (default "list") and arguments: 0, or an exit status after saying what is wrong. */
int ctl_parse(Ctl *c, int argc, char *argv[]);
void ctl_done(Ctl *c);

/* "synctl: …\n" on standard error; returns code. */
int ctl_fail(int code, const char *format, ...) _printf_(2, 3);
/* The same as a remark, which --quiet silences. */
void ctl_note(const Ctl *c, const char *format, ...) _printf_(2, 3);
int ctl_oom(void);

/* Writes all of text to fd: 0 or negative errno. */
int ctl_write(int fd, const char *text);
/* Prints text to standard output, through the pager when it is longer than the terminal. Returns an exit status. */
int ctl_print(const Ctl *c, const char *text);
/* Takes what b holds and prints it. */
int ctl_print_buf(const Ctl *c, StrBuf *b);

/* The verbs, one file each. */
int verb_list(Ctl *c);
int verb_status(Ctl *c);
int verb_is_active(Ctl *c);
int verb_is_failed(Ctl *c);
int verb_cat(Ctl *c);
int verb_start(Ctl *c);
int verb_stop(Ctl *c);
int verb_restart(Ctl *c);
int verb_reload(Ctl *c);
int verb_check(Ctl *c);
int verb_reset_failed(Ctl *c);
int verb_maintenance(Ctl *c);
int verb_register(Ctl *c);
int verb_unregister(Ctl *c);
int verb_adopt(Ctl *c);
int verb_release(Ctl *c);
int verb_events(Ctl *c);
int verb_logs(Ctl *c);
int verb_why(Ctl *c);
int verb_deps(Ctl *c);
int verb_top(Ctl *c);
int verb_doctor(Ctl *c);
int verb_config(Ctl *c);
int verb_version(Ctl *c);
int verb_help(Ctl *c);
int verb_complete(Ctl *c);

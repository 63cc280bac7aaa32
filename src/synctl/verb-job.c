/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start, stop, restart, reload, check, reset-failed: several services at once, each awaited to its true end. */
#include "synctl/exec.h"
#include "synctl/list-view.h"
#include "synctl/text.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-event.h>

enum { INTERRUPTED = 128 + SIGINT };

typedef struct Run Run;

typedef struct Job {
        Run *run;
        const char *name; /* as given */
        char *path, *action, *sub;
        bool ended;
        int status; /* exit status once ended */
        char *result, *error;
} Job;

struct Run {
        Ctl *c;
        sd_event *event;
        const char *verb, *member;
        Job *jobs;
        size_t n, sent, open;
        usec_t began; /* boottime */
        bool interrupted;
        size_t shown; /* lines of progress on the terminal */
};

static void run_done(Run *r) {
        for (size_t i = 0; i < r->n; i++) {
                free(r->jobs[i].path);
                free(r->jobs[i].action);
                free(r->jobs[i].sub);
                free(r->jobs[i].result);
                free(r->jobs[i].error);
        }
        free(r->jobs);
        sd_event_unref(r->event);
        exec_agent_close();
}

static bool shows_progress(const Run *r) {
        return !r->c->o.quiet && !r->c->o.json && r->c->term.tty && isatty(STDERR_FILENO) > 0;
}

static void progress_clear(Run *r) {
        for (; r->shown > 0; r->shown--)
                fputs("\033[1A\033[2K\r", stderr);
}

/* Somebody may be typing a password on this terminal. */
static bool may_be_asked(const Run *r) {
        for (size_t i = 0; geteuid() != 0 && i < r->n; i++)
                if (!r->jobs[i].ended && !r->jobs[i].action)
                        return true;
        return false;
}

/* One line for each job that is not done yet, at most what fits. */
static void progress_show(Run *r) {
        usec_t waited = usec_sub(boottime_now(), r->began);

        if (may_be_asked(r))
                return;
        progress_clear(r);
        for (size_t i = 0; i < r->n && r->shown + 2 < r->c->term.rows; i++) {
                const Job *j = r->jobs + i;
                _cleanup_free_ char *line = NULL, *cut = NULL;
                if (j->ended)
                        continue;
                const char *state = j->sub ?: j->action ? j->sub ?: "waiting for the job" : "asking";
                if (str_printf(&line, "%s %s: %s%s %" PRIu64 "s", r->verb, j->name, state,
                               term_glyph(&r->c->term, GLYPH_ELLIPSIS), waited / USEC_PER_SEC) < 0 ||
                    text_shorten(&r->c->term, line, r->c->term.columns, &cut) < 0)
                        return;
                fprintf(stderr, "%s\n", cut);
                r->shown++;
        }
        fflush(stderr);
}

static void job_end(Job *j, int status, const char *message) {
        if (j->ended)
                return;
        j->ended = true;
        j->status = status;
        j->run->open--;
        if (message) {
                progress_clear(j->run);
                (void) free_and_strdup(&j->error, message);
                (void) ctl_fail(status, "%s", message);
        }
        if (j->run->open == 0)
                (void) sd_event_exit(j->run->event, 0);
}

static void job_fail(Job *j, int status, const char *format, ...) _printf_(3, 4);
static void job_fail(Job *j, int status, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&message, format, ap) < 0)
                message = NULL;
        va_end(ap);
        job_end(j, status, message ?: "Out of memory.");
}

/* synd went away in the middle: the job is systemd's and does not go with it. */
static bool lost_synd(const sd_bus_error *e) {
        return e && (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) || client_error_no_synd(e));
}

static int on_result(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Job *j = userdata;
        const char *result = NULL, *error = NULL;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        if (lost_synd(e)) {
                job_fail(j, CTL_NO_SYND,
                         "Cannot tell how the %s of %s ends: synd went away. The job is systemd's and goes on; "
                         "see: synctl status %s",
                         j->run->verb, j->name, j->name);
                return 0;
        }
        int r = e ? -sd_bus_error_get_errno(e) : sd_bus_message_read(m, "ss", &result, &error);
        if (r < 0) {
                _cleanup_free_ char *text = NULL;
                int status = client_error_text(j->run->verb, j->name, e, r, &text);
                job_end(j, status, text ?: "Out of memory.");
                return 0;
        }
        (void) free_and_strdup(&j->result, result);
        if (streq(result, "done"))
                job_end(j, CTL_OK, NULL);
        else {
                _cleanup_free_ char *clean = NULL;
                (void) text_clean(error, &clean);
                size_t length = clean ? strlen(clean) : 0;
                if (length > 0 && clean[length - 1] == '.')
                        clean[length - 1] = 0;
                /* polkit said no to synd: of the unit there is nothing to explain. */
                bool denied = clean && startswith(clean, "Permission denied");
                job_fail(j, CTL_FAILED, "The %s of %s %s%s%s. See: synctl %s%s", j->run->verb, j->name,
                         streq(result, "cancelled") ? "was cancelled" : "failed", length ? ": " : "", clean ?: "",
                         denied ? "doctor" : "why ", denied ? "" : j->name);
        }
        return 0;
}

static int job_wait(Job *j) {
        sd_bus_message *m = NULL;
        Ctl *c = j->run->c;

        int r = client_message(c, SYND_PATH, SYND_MANAGER, "WaitAction", false, &m, "s", j->action);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, m, on_result, j, UINT64_MAX);
        sd_bus_message_unref(m);
        return r;
}

static int on_accepted(sd_bus_message *m, void *userdata, sd_bus_error *ret_error);

/* Sends the next request. Root is not asked for a password, so that all go at once; of others polkit asks one after the
 * other, because an agent on a terminal has one line to ask on. What was accepted is awaited at the same time. */
static int run_send(Run *r) {
        progress_clear(r);
        while (r->sent < r->n) {
                Job *j = r->jobs + r->sent++;
                sd_bus_message *m = NULL;
                int k = client_message(r->c, j->path, SYND_SERVICE, r->member, true, &m, NULL);
                if (k >= 0)
                        k = sd_bus_call_async(r->c->bus, NULL, m, on_accepted, j, 120 * USEC_PER_SEC);
                sd_bus_message_unref(m);
                if (k < 0 || geteuid() != 0)
                        return k;
        }
        return 0;
}

static int on_accepted(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Job *j = userdata;
        const char *action = NULL;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        int r = e ? -sd_bus_error_get_errno(e) : 0;
        /* A look at the unit (Check) is done when it is answered; everything else is an action. */
        if (r >= 0 && !isempty(sd_bus_message_get_signature(m, true)))
                r = sd_bus_message_read(m, "s", &action);
        if (r >= 0 && action)
                r = free_and_strdup(&j->action, action);
        if (r >= 0 && !j->run->c->o.no_block && !isempty(action))
                r = job_wait(j);
        else if (r >= 0)
                job_end(j, CTL_OK, NULL);
        if (r < 0) {
                _cleanup_free_ char *text = NULL;
                int status = client_error_text(j->run->verb, j->name, e, r, &text);
                job_end(j, status, text ?: "Out of memory.");
        }
        r = geteuid() != 0 ? run_send(j->run) : 0;
        if (r < 0)
                return sd_event_exit(j->run->event, r);
        return 0;
}

/* Shows what systemd does meanwhile: the SubState of the unit as it changes. */
static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Run *r = userdata;
        const char *interface, *key, *path = sd_bus_message_get_path(m);

        if (sd_bus_message_read(m, "s", &interface) < 0 || !streq(interface, SYND_SERVICE) ||
            sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const char *sub = NULL;
                if (sd_bus_message_read(m, "s", &key) < 0)
                        return 0;
                if (streq(key, "SubState")) {
                        if (sd_bus_message_read(m, "v", "s", &sub) < 0)
                                return 0;
                } else if (sd_bus_message_skip(m, "v") < 0)
                        return 0;
                for (size_t i = 0; sub && i < r->n; i++)
                        if (streq(r->jobs[i].path, path) && !r->jobs[i].ended)
                                (void) free_and_strdup(&r->jobs[i].sub, sub);
                if (sd_bus_message_exit_container(m) < 0)
                        return 0;
        }
        if (r->shown > 0)
                progress_show(r);
        return 0;
}

static int on_second(sd_event_source *s, uint64_t usec, void *userdata) {
        Run *r = userdata;

        progress_show(r);
        (void) sd_event_source_set_time_relative(s, USEC_PER_SEC);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Run *r = userdata;

        r->interrupted = true;
        return sd_event_exit(r->event, 0);
}

static int run_prepare(Run *r) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int k = sd_event_new(&r->event);
        if (k >= 0)
                k = sd_event_add_signal(r->event, NULL, SIGINT, on_signal, r);
        if (k >= 0)
                k = sd_event_add_signal(r->event, NULL, SIGTERM, on_signal, r);
        if (k >= 0)
                k = sd_bus_attach_event(r->c->bus, r->event, SD_EVENT_PRIORITY_NORMAL);
        if (k >= 0 && shows_progress(r)) {
                k = sd_bus_match_signal_async(r->c->bus, NULL, SYND_BUS_NAME, NULL, "org.freedesktop.DBus.Properties",
                                              "PropertiesChanged", on_properties, NULL, r);
                if (k >= 0)
                        k = sd_event_add_time_relative(r->event, NULL, CLOCK_MONOTONIC, USEC_PER_SEC, 0, on_second, r);
        }
        return k;
}

static const char *job_word(const Job *j) {
        if (j->result)
                return j->result;
        return j->status != CTL_OK ? "refused" : j->action ? "accepted" : "done";
}

static int run_json(const Run *r) {
        _cleanup_json_ Json *a = NULL;

        if (json_new_array(&a) < 0)
                return ctl_oom();
        for (size_t i = 0; i < r->n; i++) {
                const Job *j = r->jobs + i;
                _cleanup_json_ Json *o = NULL;
                if (json_new_object(&o) < 0 || json_set_string(o, "name", j->name) < 0 ||
                    json_set_string(o, "verb", r->verb) < 0 || json_set_string(o, "action", j->action) < 0 ||
                    json_set_string(o, "result", job_word(j)) < 0 || json_set_string(o, "error", j->error) < 0 ||
                    json_set_int(o, "status", j->status) < 0 || json_append(a, o) < 0)
                        return ctl_oom();
        }
        return ctl_print_json(r->c, a);
}

/* Ctrl-C ends the waiting, not the work. */
static int run_interrupted(const Run *r) {
        for (size_t i = 0; i < r->n; i++) {
                const Job *j = r->jobs + i;
                if (j->ended)
                        continue;
                if (j->action)
                        ctl_note(r->c, "The %s of %s goes on. See: synctl status %s", r->verb, j->name, j->name);
                else
                        ctl_note(r->c, "Whether synd took the %s of %s is not known yet. See: synctl status %s",
                                 r->verb, j->name, j->name);
        }
        return INTERRUPTED;
}

static int run_verb(Ctl *c, const char *member) {
        _cleanup_(run_done) Run r = { .c = c, .verb = c->verb->name, .member = member, .began = boottime_now() };
        int status = client_open(c);

        if (status != 0)
                return status;
        r.jobs = calloc(c->n_args, sizeof(Job));
        if (!r.jobs)
                return ctl_oom();
        /* All names are looked up first: a slip in the third one must not leave two services restarted. */
        for (size_t i = 0; i < c->n_args; i++) {
                Job *j = r.jobs + i;
                *j = (Job){ .run = &r, .name = c->args[i] };
                r.n++;
                status = client_resolve(c, r.verb, j->name, &j->path);
                if (status != 0)
                        return status;
        }
        r.open = r.n;
        exec_agent_open();
        int k = run_prepare(&r);
        if (k >= 0)
                k = run_send(&r);
        if (k >= 0)
                k = sd_event_loop(r.event);
        progress_clear(&r);
        (void) sd_bus_detach_event(c->bus);
        if (k < 0)
                return client_error(c, r.verb, r.n == 1 ? r.jobs[0].name : NULL, NULL, k);
        if (r.interrupted)
                return run_interrupted(&r);
        if (c->o.json) {
                status = run_json(&r);
                if (status != 0)
                        return status;
        }
        for (size_t i = 0; i < r.n; i++)
                if (r.jobs[i].status != CTL_OK)
                        return r.jobs[i].status;
        return CTL_OK;
}

int verb_start(Ctl *c) {
        return run_verb(c, "Start");
}

int verb_stop(Ctl *c) {
        return run_verb(c, "Stop");
}

int verb_restart(Ctl *c) {
        return run_verb(c, "Restart");
}

int verb_reload(Ctl *c) {
        return run_verb(c, "Reload");
}

int verb_check(Ctl *c) {
        return run_verb(c, "Check");
}

int verb_reset_failed(Ctl *c) {
        return run_verb(c, "ResetErrors");
}

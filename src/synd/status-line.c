/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synd/status-line.h"

#include "basic/log.h"
#include "basic/string.h"

#include <systemd/sd-daemon.h>

#define INTERVAL USEC_PER_SEC

struct StatusLine {
        Manager *manager;
        sd_event_source *timer;
        usec_t sent_at;         /* boottime, 0 = never */
        char *sent;
};

int status_line_text(size_t n_services, size_t n_failed, char *const *reasons, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};

        if (reasons && *reasons) {
                strbuf_append(&b, "Degraded: ");
                for (char *const *r = reasons; *r; r++)
                        strbuf_appendf(&b, "%s%s", r == reasons ? "" : ", ", *r);
                strbuf_append(&b, ". ");
        }
        strbuf_appendf(&b, "Supervising %zu service%s", n_services, n_services == 1 ? "" : "s");
        if (n_failed > 0)
                strbuf_appendf(&b, ", %zu failed", n_failed);
        strbuf_append(&b, ".");
        return strbuf_finish(&b, ret);
}

static void status_line_send(StatusLine *l) {
        const Supervisor *s = manager_supervisor(l->manager);
        _cleanup_free_ char *text = NULL;
        char *const *reasons = NULL;
        const char *state = manager_state(l->manager, &reasons);
        const Service *service;
        size_t n_failed = 0;

        /* Before and after, those who wait for us are told by READY=1 and STOPPING=1. */
        if (streq(state, "starting") || streq(state, "stopping"))
                return;
        HASHMAP_FOREACH (service, supervisor_services(s))
                if (service->status == SERVICE_FAILED)
                        n_failed++;
        if (status_line_text(supervisor_count(s), n_failed, reasons, &text) < 0)
                return;
        l->sent_at = boottime_now();
        if (streq_ptr(text, l->sent))
                return;
        (void) sd_notifyf(false, "STATUS=%s", text);
        free(l->sent);
        l->sent = TAKE_PTR(text);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        status_line_send(userdata);
        return 0;
}

static void status_line_schedule(StatusLine *l) {
        int enabled, r;

        r = sd_event_source_get_enabled(l->timer, &enabled);
        if (r < 0 || enabled != SD_EVENT_OFF)
                return;
        r = sd_event_source_set_time(l->timer, l->sent_at == 0 ? 0 : usec_add(l->sent_at, INTERVAL));
        if (r >= 0)
                r = sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
        if (r < 0)
                log_debug_errno(r, "Cannot arm the timer of the status line: %m");
}

static void on_service(const Service *s, void *userdata) {
        status_line_schedule(userdata);
}

static void on_service_removed(const char *unit, void *userdata) {
        status_line_schedule(userdata);
}

static void on_state(void *userdata) {
        status_line_schedule(userdata);
}

static const ManagerListener listener = {
        .service_added = on_service,
        .service_changed = on_service,
        .service_removed = on_service_removed,
        .state_changed = on_state,
};

int status_line_new(Manager *m, StatusLine **ret) {
        _cleanup_(status_line_freep) StatusLine *l = NULL;
        int r;

        l = calloc(1, sizeof(StatusLine));
        if (!l)
                return -ENOMEM;
        r = sd_event_add_time(manager_event(m), &l->timer, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_timer, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        /* Behind everything else: it is for people. */
        if (r >= 0)
                r = sd_event_source_set_priority(l->timer, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = manager_listen(m, &listener, l);
        if (r < 0)
                return r;
        l->manager = m;
        *ret = TAKE_PTR(l);
        return 0;
}

StatusLine *status_line_free(StatusLine *l) {
        if (!l)
                return NULL;
        if (l->manager)
                manager_unlisten(l->manager, &listener, l);
        sd_event_source_disable_unref(l->timer);
        free(l->sent);
        return free_(l);
}

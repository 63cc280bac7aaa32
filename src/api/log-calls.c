/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/filter.h"
#include "api/follow.h"
#include "api/log-calls.h"
#include "api/request.h"

#define EVENTS_LIMIT_MAX 1000
#define EVENTS_SIZE_MAX (4 * 1024 * 1024) /* bytes of one answer */
#define EXPLAIN_LOOKBACK 64

/* An answer of the log that is an error of its own; negative. */
static int log_error_set(sd_bus_error *error, int r) {
        if (r == -EBUSY)
                return sd_bus_error_setf(error, ERROR_LIMIT_REACHED,
                                         "Too many questions wait for the event log, try again.");
        if (r == -ENOENT)
                return sd_bus_error_setf(error, ERROR_NO_SUCH_EVENT, "The event log has no such event (any more).");
        if (r == -ENOMEM)
                return r;
        return sd_bus_error_setf(error, ERROR_LOG_UNAVAILABLE, "The event log cannot be read: %s.",
                                 strerrordesc_np(-r));
}

static int query(Request *r, const EventFilter *f, size_t limit, event_query_t cb, sd_bus_error *error) {
        int k = eventlog_query(manager_eventlog(r->api->manager), f, limit, cb, r, &r->query);

        return k < 0 ? log_error_set(error, k) : 1;
}

/* The end of a request that asked the log. */
static void finish(Request *r, int k, sd_bus_error *error) {
        Api *a = r->api;

        request_finish(r, MIN(k, 0), error);
        follow_resume(a);
}

/* ---- ListEvents ---- */

static void on_list(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                    void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        Request *r = userdata;
        _cleanup_free_ char *json = NULL;
        bool cut = false;
        int k;

        r->query = event_query_free(r->query);
        if (error < 0)
                k = log_error_set(&e, error);
        else
                k = events_format(r->api, events, n, EVENTS_SIZE_MAX, r->filter.newest, &json, &cut);
        if (k >= 0)
                k = sd_bus_reply_method_return(r->message, "sbt", json, (int) (more || cut), first_seq);
        finish(r, k, &e);
}

static int act_list(Request *r, sd_bus_error *error) {
        return query(r, &r->filter, r->limit, on_list, error);
}

int log_call_list_events(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Api *a = userdata;
        const char *filter;
        uint64_t after;
        uint32_t limit;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "tus", &after, &limit, &filter);
        if (k < 0)
                return k;
        if (limit > EVENTS_LIMIT_MAX)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT, "The limit is at most %d (0 means that).",
                                         EVENTS_LIMIT_MAX);
        k = request_new(a, m, error, &r);
        if (k < 0)
                return k;
        k = filter_parse(a, filter, false, &r->filter, error);
        if (k < 0) {
                request_free(r);
                return k;
        }
        r->filter.after = after;
        r->limit = limit ?: EVENTS_LIMIT_MAX;
        return request_run(r, act_list, error);
}

/* ---- Explain ---- */

static void on_chain(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                     void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        _cleanup_json_ Json *j = NULL, *chain = NULL;
        _cleanup_free_ char *json = NULL;
        Request *r = userdata;
        int k = error;

        r->query = event_query_free(r->query);
        if (k < 0)
                k = log_error_set(&e, k);
        else if (n == 0)
                k = log_error_set(&e, -ENOENT);
        if (k >= 0 && (k = json_new_object(&j)) >= 0 && (k = json_set_string(j, "subject", r->subject)) >= 0 &&
            (k = json_set_string(j, "unit", r->unit ?: events[n - 1].unit)) >= 0 &&
            (k = json_set_uint(j, "seq", events[n - 1].seq)) >= 0)
                k = json_new_array(&chain);
        for (size_t i = 0; k >= 0 && i < n; i++) {
                const Service *s = events[i].unit ? supervisor_get(manager_supervisor(r->api->manager), events[i].unit)
                                                  : NULL;
                _cleanup_json_ Json *event = NULL;

                k = event_to_json(&events[i], s ? s->config->name : NULL, &event);
                if (k >= 0)
                        k = json_append(chain, event);
        }
        if (k >= 0 && (k = json_set(j, "chain", chain)) >= 0 && (k = json_set_bool(j, "more", more)) >= 0)
                k = json_format(j, &json);
        if (k >= 0)
                k = sd_bus_reply_method_return(r->message, "s", json);
        finish(r, k, &e);
}

static int ask_chain(Request *r, uint64_t seq, sd_bus_error *error) {
        int k = eventlog_query_chain(manager_eventlog(r->api->manager), seq, on_chain, r, &r->query);

        return k < 0 ? log_error_set(error, k) : 1;
}

/* Acts of people carry the surface they came by; what synd did by itself does not. */
static bool is_automatic(const Event *requested) {
        return !json_get_string(requested->data, "via");
}

static const Event *request_of(const Event *events, size_t n, const Event *finished) {
        const char *action = json_get_string(finished->data, "action");

        for (size_t i = n; i-- > 0;)
                if (streq(events[i].type, EVENT_ACTION_REQUESTED) &&
                    streq_ptr(json_get_string(events[i].data, "action"), action))
                        return &events[i];
        return NULL;
}

/* The newest event that is worth a question: a failure, or what synd did by itself. */
static const Event *pick_subject(const Event *events, size_t n) {
        for (size_t i = n; i-- > 0;) {
                const Event *requested = &events[i];

                if (streq(events[i].type, EVENT_SERVICE_FAILED))
                        return &events[i];
                if (streq(events[i].type, EVENT_ACTION_FINISHED))
                        requested = request_of(events, n, &events[i]);
                if (!requested || is_automatic(requested))
                        return &events[i];
        }
        return NULL;
}

static void on_candidates(EventQuery *q, int error, const Event *events, size_t n, bool more, uint64_t first_seq,
                          void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        Request *r = userdata;
        const Event *subject = NULL;
        uint64_t seq = 0;
        int k = error;

        if (k >= 0) {
                subject = id128_is_null(r->action) ? pick_subject(events, n) : n > 0 ? &events[n - 1] : NULL;
                seq = subject ? subject->seq : 0;
        }
        r->query = event_query_free(r->query);
        if (k < 0)
                k = log_error_set(&e, k);
        else if (seq > 0)
                k = ask_chain(r, seq, &e);
        else if (!id128_is_null(r->action))
                k = sd_bus_error_setf(&e, ERROR_NO_SUCH_ACTION, "There is no action %s.", r->subject);
        else
                k = sd_bus_error_setf(
                                &e, ERROR_NO_SUCH_EVENT,
                                "Of %s no failure and no automatic action is recorded: there is nothing to explain.",
                                r->subject);
        if (k != 1)
                finish(r, k, &e);
}

static int explain_unit(Request *r, sd_bus_error *error) {
        char *units[] = { r->unit, NULL };
        char *types[] = { (char *) EVENT_SERVICE_FAILED, (char *) EVENT_ACTION_REQUESTED,
                          (char *) EVENT_ACTION_FINISHED, NULL };
        const EventFilter f = { .units = units, .types = types, .newest = true };

        return query(r, &f, EXPLAIN_LOOKBACK, on_candidates, error);
}

static int explain_action(Request *r, sd_bus_error *error) {
        const Action *action = supervisor_action(manager_supervisor(r->api->manager), r->action);
        uint64_t durable = eventlog_durable_seq(manager_eventlog(r->api->manager));
        char *types[] = { (char *) "action.*", NULL };
        const EventFilter f = { .types = types, .correlation = r->action, .newest = true };

        if (action && action->finished_seq > 0 && action->finished_seq <= durable)
                return ask_chain(r, action->finished_seq, error);
        if (action && action->requested_seq > 0 && action->requested_seq <= durable)
                return ask_chain(r, action->requested_seq, error);
        /* Of an earlier run of synd. */
        return query(r, &f, 1, on_candidates, error);
}

static int act_explain(Request *r, sd_bus_error *error) {
        const Service *s;
        uint64_t seq;
        int k;

        if (safe_atou64(r->subject, &seq) >= 0)
                return ask_chain(r, seq, error);
        if (id128_from_string(r->subject, &r->action) >= 0 && !id128_is_null(r->action))
                return explain_action(r, error);
        r->action = ID128_NULL;

        k = supervisor_find(manager_supervisor(r->api->manager), r->subject, &s);
        if (k == -ENOTUNIQ)
                return sd_bus_error_setf(error, ERROR_AMBIGUOUS_NAME,
                                         "More than one service is called %s: give the unit.", r->subject);
        if (k >= 0)
                k = free_and_strdup(&r->unit, s->config->unit);
        else if (unit_name_is_valid(r->subject))
                k = free_and_strdup(&r->unit, r->subject); /* gone, but its history is there */
        else
                return sd_bus_error_setf(error, ERROR_NO_SUCH_SERVICE, "There is no service, action or event %s.",
                                         r->subject);
        return k < 0 ? k : explain_unit(r, error);
}

int log_call_explain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *subject;
        Request *r;
        int k;

        k = sd_bus_message_read(m, "s", &subject);
        if (k < 0)
                return k;
        if (isempty(subject) || strlen(subject) > 255)
                return sd_bus_error_setf(error, ERROR_INVALID_ARGUMENT,
                                         "Give the name of a service, the id of an action or the number of an event.");
        k = request_new(userdata, m, error, &r);
        if (k < 0)
                return k;
        k = free_and_strdup(&r->subject, subject);
        if (k < 0) {
                request_free(r);
                return k;
        }
        return request_run(r, act_explain, error);
}

/* ---- CheckLog: it reads the whole file, so that all who ask meanwhile share one answer ---- */

struct LogCheck {
        Api *api; /* NULL when the Api is gone */
};

static void on_check(int error, const char *text, void *userdata) {
        LogCheck *check = userdata;
        Api *a = check->api;
        _cleanup_free_ Request **waiting = NULL;
        size_t n;

        free(check);
        if (!a)
                return;
        a->log_check = NULL;
        n = requests_waiting(a, WAIT_LOG_CHECK, ID128_NULL, &waiting);
        for (size_t i = 0; i < n; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                int k = error;

                if (k < 0)
                        k = log_error_set(&e, k);
                else
                        k = sd_bus_reply_method_return(waiting[i]->message, "s", text);
                request_finish(waiting[i], MIN(k, 0), &e);
        }
}

static int act_check(Request *r, sd_bus_error *error) {
        Api *a = r->api;
        LogCheck *check;
        int k;

        r->wait = WAIT_LOG_CHECK;
        if (a->log_check)
                return 1;
        check = calloc(1, sizeof(*check));
        if (!check)
                return -ENOMEM;
        check->api = a;
        k = eventlog_check(manager_eventlog(a->manager), on_check, check);
        if (k < 0) {
                free(check);
                return log_error_set(error, k);
        }
        a->log_check = check;
        return 1;
}

int log_call_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Request *r;
        int k = request_new(userdata, m, error, &r);

        return k < 0 ? k : request_run(r, act_check, error);
}

void log_check_forget(Api *a) {
        if (a->log_check)
                a->log_check->api = NULL;
        a->log_check = NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synctl/client.h"
#include "synctl/services.h"
#include "synctl/text.h"

#include <stdarg.h>
#include <stdio.h>

#define CALL_TIMEOUT (25 * USEC_PER_SEC)
#define CALL_TIMEOUT_INTERACTIVE (120 * USEC_PER_SEC)
#define REPLY_MAX (64 * 1024 * 1024)

int client_open(Ctl *c) {
        if (c->bus)
                return 0;
        int r = sd_bus_open_system(&c->bus);
        if (r >= 0)
                return 0;
        errno = -r;
        if (IN_SET(r, -ENOENT, -ECONNREFUSED))
                return ctl_fail(CTL_NO_SYND, "Cannot reach the system bus: %m. synd is reached through it; see: "
                                             "systemctl status dbus.service");
        return ctl_fail(CTL_NO_SYND, "Cannot reach the system bus: %m.");
}

static int message_v(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                     sd_bus_message **ret, const char *types, va_list ap) {
        sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(c->bus, &m, SYND_BUS_NAME, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0 && interactive)
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
        if (r >= 0 && !isempty(types))
                r = sd_bus_message_appendv(m, types, ap);
        if (r < 0) {
                sd_bus_message_unref(m);
                return r;
        }
        *ret = m;
        return 0;
}

int client_message(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                   sd_bus_message **ret, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = message_v(c, path, interface, member, interactive, ret, types, ap);
        va_end(ap);
        return r;
}

static int call_v(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                  sd_bus_error *e, sd_bus_message **ret, const char *types, va_list ap) {
        sd_bus_message *m = NULL;

        int r = message_v(c, path, interface, member, interactive, &m, types, ap);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, interactive ? CALL_TIMEOUT_INTERACTIVE : CALL_TIMEOUT, e, ret);
        sd_bus_message_unref(m);
        return r < 0 ? r : 0;
}

int client_object(Ctl *c, const char *path, const char *interface, const char *member, bool interactive,
                  sd_bus_error *e, sd_bus_message **ret, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = call_v(c, path, interface, member, interactive, e, ret, types, ap);
        va_end(ap);
        return r;
}

int client_manager(Ctl *c, const char *member, sd_bus_error *e, sd_bus_message **ret, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = call_v(c, SYND_PATH, SYND_MANAGER, member, false, e, ret, types, ap);
        va_end(ap);
        return r;
}

static int text_v(Ctl *c, const char *member, sd_bus_error *e, char **ret, const char *types, va_list ap) {
        sd_bus_message *reply = NULL;
        const char *text;

        int r = call_v(c, SYND_PATH, SYND_MANAGER, member, false, e, &reply, types, ap);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = str_copy(ret, text);
        sd_bus_message_unref(reply);
        return r;
}

int client_text(Ctl *c, const char *member, sd_bus_error *e, char **ret, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = text_v(c, member, e, ret, types, ap);
        va_end(ap);
        return r;
}

int client_json(Ctl *c, const char *member, sd_bus_error *e, Json **ret, const char *types, ...) {
        _cleanup_free_ char *text = NULL, *reason = NULL;
        va_list ap;

        va_start(ap, types);
        int r = text_v(c, member, e, &text, types, ap);
        va_end(ap);
        if (r >= 0)
                r = json_parse(text, strlen(text), REPLY_MAX, ret, &reason);
        return r;
}

/* What an error of synd means for the exit status, and what may be done about it. %s is the name as given. */
static const struct {
        const char *error;
        int status;
        const char *remedy;
} remedies[] = {
        { "NoSuchService", CTL_NO_SUCH, "See: synctl list" },
        { "AmbiguousName", CTL_NO_SUCH, "Give the unit's name; see: synctl list --json" },
        { "NoSuchAction", CTL_NO_SUCH, "See: synctl events --type action.finished" },
        { "NoSuchEvent", CTL_NO_SUCH, "See: synctl events" },
        { "NotGranted", CTL_REFUSED, "As root: synctl adopt %s" },
        { "Protected", CTL_REFUSED, "Use systemctl, which asks you and not synd" },
        { "Maintenance", CTL_REFUSED, "See: synctl status %s" },
        { "Busy", CTL_REFUSED, "See what is under way: synctl status %s" },
        { "DependencyUnmet", CTL_REFUSED, "See: synctl deps %s" },
        { "ShuttingDown", CTL_REFUSED, NULL },
        { "NotConnected", CTL_FAILED, "See: synctl doctor" },
        { "LogUnavailable", CTL_FAILED, "See: synctl doctor" },
        { "LimitReached", CTL_FAILED, "Try again in a moment" },
        { "Denied", CTL_NOT_PERMITTED, "Use sudo, or ask for a polkit rule for this unit and verb" },
        { "AccessDenied", CTL_NOT_PERMITTED, "Use sudo, or ask for a polkit rule for this unit and verb" },
        { "AuthorizationRequired", CTL_NOT_PERMITTED, NULL },
        { "InteractiveAuthorizationRequired", CTL_NOT_PERMITTED,
          "Run it on a terminal, where a password can be asked for, or with sudo" },
        { "AuthorizationDismissed", CTL_NOT_PERMITTED, NULL },
        { "UnknownMethod", CTL_FAILED, "synd is of another version; see: synctl version" },
        { "UnknownInterface", CTL_FAILED, "synd is of another version; see: synctl version" },
        { "NoReply", CTL_NO_SYND, "See: systemctl status synd.service" },
        { "Timeout", CTL_FAILED, "See: systemctl status synd.service" },
};

static const char *error_word(const sd_bus_error *e) {
        const char *dot = e && e->name ? strrchr(e->name, '.') : NULL;
        return dot ? dot + 1 : "";
}

bool client_error_no_such(const sd_bus_error *e) {
        const char *w = error_word(e);
        return streq(w, "NoSuchService") || streq(w, "NoSuchAction") || streq(w, "NoSuchEvent");
}

bool client_error_no_synd(const sd_bus_error *e) {
        const char *w = error_word(e);
        return streq(w, "ServiceUnknown") || streq(w, "NameHasNoOwner");
}

/* The message inside a sentence: no capital at its begin (unless a word in capitals, or begin), no full stop. */
static void append_reason(StrBuf *b, const char *message, bool begin) {
        _cleanup_free_ char *clean = NULL;

        if (text_clean(message, &clean) < 0)
                return;
        size_t n = strlen(clean);
        while (n > 0 && (clean[n - 1] == '.' || clean[n - 1] == ' '))
                clean[--n] = 0;
        if (!begin && clean[0] >= 'A' && clean[0] <= 'Z' && clean[1] >= 'a' && clean[1] <= 'z')
                clean[0] = (char) (clean[0] - 'A' + 'a');
        strbuf_append(b, clean);
}

static void append_remedy(StrBuf *b, const char *remedy, const char *name) {
        const char *hole = strstr(remedy, "%s");

        strbuf_append_n(b, remedy, hole ? (size_t) (hole - remedy) : strlen(remedy));
        if (hole) {
                strbuf_append(b, name ?: "NAME");
                strbuf_append(b, hole + 2);
        }
}

int client_error_text(const char *doing, const char *name, const sd_bus_error *e, int r, char **ret) {
        _cleanup_strbuf_ StrBuf b = {};
        _cleanup_free_ char *clean_name = NULL;
        const char *remedy = NULL, *word = error_word(e), *message = e && !isempty(e->message) ? e->message : NULL;
        int status = CTL_FAILED;

        if (name && text_clean(name, &clean_name) < 0)
                return CTL_FAILED;
        /* synd's own sentences are whole: "Cannot restart web: it is not granted. …" */
        bool whole = message && startswith(message, "Cannot ");
        if (!whole)
                strbuf_appendf(&b, "Cannot %s%s%s: ", doing, name ? " " : "", clean_name ?: "");
        if (client_error_no_synd(e)) {
                strbuf_append(&b, "synd is not running. As root: systemctl start synd.service (why it is down: "
                                  "systemctl status synd.service)");
                (void) strbuf_finish(&b, ret);
                return CTL_NO_SYND;
        }
        for (size_t i = 0; i < ELEMENTSOF(remedies); i++)
                if (streq(remedies[i].error, word)) {
                        status = remedies[i].status;
                        remedy = remedies[i].remedy;
                        break;
                }
        if (message)
                append_reason(&b, message, whole);
        else
                append_reason(&b, strerror(r < 0 ? -r : EIO), false);
        /* A message that already tells what to do needs no second advice. */
        if (remedy &&
            !(message && (strstr(message, "synctl ") || strstr(message, "systemctl ") || strstr(message, "sudo")))) {
                strbuf_append(&b, ". ");
                append_remedy(&b, remedy, clean_name);
        } else if (!remedy || !message)
                strbuf_append(&b, ".");
        (void) strbuf_finish(&b, ret);
        return status;
}

static bool synd_is_masked(Ctl *c) {
        _cleanup_free_ char *state = NULL, *path = NULL;

        return c->bus && sd_bus_path_encode("/org/freedesktop/systemd1/unit", "synd.service", &path) >= 0 &&
               sd_bus_get_property_string(c->bus, "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Unit",
                                          "LoadState", NULL, &state) >= 0 &&
               streq(state, "masked");
}

int client_error(Ctl *c, const char *doing, const char *name, const sd_bus_error *e, int r) {
        _cleanup_free_ char *text = NULL;

        if (client_error_no_synd(e) && synd_is_masked(c))
                return ctl_fail(CTL_NO_SYND,
                                "Cannot %s: synd.service is masked, so that nothing can start it. As root: "
                                "systemctl unmask synd.service, then systemctl start synd.service",
                                doing);
        if (name && client_error_no_such(e) && streq(error_word(e), "NoSuchService"))
                return services_no_such(c, doing, name);
        int status = client_error_text(doing, name, e, r, &text);
        if (!text)
                return ctl_oom();
        return ctl_fail(status, "%s", text);
}

int client_find(Ctl *c, const char *name, sd_bus_error *e, char **ret_path) {
        sd_bus_message *reply = NULL;
        const char *path;

        int r = client_manager(c, "GetService", e, &reply, "s", name);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = str_copy(ret_path, path);
        sd_bus_message_unref(reply);
        return r;
}

int client_resolve(Ctl *c, const char *doing, const char *name, char **ret_path) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        int r = client_find(c, name, &e, ret_path);
        return r < 0 ? client_error(c, doing, name, &e, r) : 0;
}

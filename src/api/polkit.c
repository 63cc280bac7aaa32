/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/polkit.h"
#include "basic/string.h"
#include "basic/time.h"

#define POLKIT_TIMEOUT (25 * USEC_PER_SEC)
#define POLKIT_INTERACTIVE_TIMEOUT (5 * USEC_PER_MINUTE)
#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_FLAG_INTERACTIVE 1U

struct PolkitCheck {
        sd_bus *bus;
        sd_bus_slot *slot; /* of the pending call */
        char cancellation[32];
        polkit_t cb;
        void *userdata;
};

static void cancel_dialogue(PolkitCheck *p) {
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(p->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization") < 0)
                return;
        /* Best effort: a dialogue that stays open is answered into the void. */
        if (sd_bus_message_append(m, "s", p->cancellation) >= 0 && sd_bus_message_set_expect_reply(m, 0) >= 0 &&
            sd_bus_message_set_auto_start(m, 0) >= 0)
                (void) sd_bus_send(p->bus, m, NULL);
        sd_bus_message_unref(m);
}

PolkitCheck *polkit_check_free(PolkitCheck *p) {
        if (!p)
                return NULL;
        if (p->slot)
                cancel_dialogue(p);
        sd_bus_slot_unref(p->slot);
        sd_bus_unref(p->bus);
        free(p);
        return NULL;
}

static int read_answer(sd_bus_message *m, PolkitResult *ret) {
        int authorized, challenge, r;
        bool dismissed = false;
        const char *k, *v;

        r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "bb", &authorized, &challenge);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &k, &v)) > 0)
                dismissed = dismissed || (streq(k, "polkit.dismissed") && !isempty(v));
        if (r < 0)
                return r;

        *ret = authorized  ? POLKIT_ALLOWED
               : dismissed ? POLKIT_DISMISSED
               : challenge ? POLKIT_OBTAINABLE
                           : POLKIT_DENIED;
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        PolkitCheck *p = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        PolkitResult result = POLKIT_UNAVAILABLE;
        const char *text = NULL;

        p->slot = sd_bus_slot_unref(p->slot);
        if (e)
                text = e->message ?: e->name;
        else if (read_answer(m, &result) < 0)
                text = "polkit gave an answer of unknown form";
        p->cb(p, result, text, p->userdata);
        return 1;
}

int polkit_check(sd_bus *bus, const char *sender, const char *action, const char *unit, const char *verb,
                 bool interactive, polkit_t cb, void *userdata, PolkitCheck **ret) {
        static uint64_t counter;
        _cleanup_(polkit_check_freep) PolkitCheck *p = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        assert(bus && sender && action && verb && cb && ret);
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->bus = sd_bus_ref(bus);
        p->cb = cb;
        p->userdata = userdata;
        snprintf(p->cancellation, sizeof(p->cancellation), "synd-%" PRIu64, ++counter);

        r = sd_bus_message_new_method_call(bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender, action);
        if (r < 0)
                return r;
        if (unit)
                r = sd_bus_message_append(m, "a{ss}", 2, "unit", unit, "verb", verb);
        else
                r = sd_bus_message_append(m, "a{ss}", 1, "verb", verb);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "us", interactive ? POLKIT_FLAG_INTERACTIVE : 0, p->cancellation);
        if (r < 0)
                return r;
        r = sd_bus_call_async(bus, &p->slot, m, on_answer, p,
                              interactive ? POLKIT_INTERACTIVE_TIMEOUT : POLKIT_TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

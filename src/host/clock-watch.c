/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/clock-watch.h"

#include <sys/timerfd.h>
#include <time.h>

#define STEP_MIN ((int64_t) (100 * USEC_PER_MSEC))

struct ClockWatch {
        sd_event_source *source;
        int64_t offset; /* realtime - boottime when last looked */
        clock_step_t cb;
        void *userdata;
};

static int64_t clock_offset(void) {
        Instant now = instant_now();

        return (int64_t) now.realtime - (int64_t) now.boottime;
}

/* The timer itself never fires in practice: only the cancellation by a set clock is of interest. */
static int clock_watch_arm(int fd) {
        struct itimerspec far = { .it_value.tv_sec = (time_t) (((uint64_t) 1 << (sizeof(time_t) * 8 - 1)) - 1) };

        if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) < 0)
                return -errno;
        return 0;
}

static int on_timer(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        ClockWatch *c = userdata;
        int64_t offset, step;
        uint64_t expirations;

        if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
                return 0;
        (void) clock_watch_arm(fd);

        offset = clock_offset();
        step = offset - c->offset;
        c->offset = offset;
        if (step >= STEP_MIN || step <= -STEP_MIN)
                c->cb(step, c->userdata);
        return 0;
}

int clock_watch_new(sd_event *event, clock_step_t cb, void *userdata, ClockWatch **ret) {
        _cleanup_(clock_watch_freep) ClockWatch *c = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        c = calloc(1, sizeof(ClockWatch));
        if (!c)
                return -ENOMEM;
        c->cb = cb;
        c->userdata = userdata;
        c->offset = clock_offset();

        fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = clock_watch_arm(fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &c->source, fd, EPOLLIN, on_timer, c);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(c->source, true);
        if (r < 0)
                return r;
        TAKE_FD(fd);

        *ret = TAKE_PTR(c);
        return 0;
}

ClockWatch *clock_watch_free(ClockWatch *c) {
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->source);
        return free_(c);
}

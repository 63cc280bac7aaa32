/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "eventlog/writer.h"
#include "basic/string.h"
#include "eventlog/damage.h"
#include "eventlog/thread.h"
#include <fcntl.h>
#include <sys/file.h>

enum {
        BATCH_EVENTS = 1024,
        BATCH_BYTES = 4 * 1024 * 1024,
        DAMAGED_MAX = 3, /* files moved aside in one run, so that a dying disk is not filled with them */
        RETENTION_BYTES = 256 * 1024,
};
#define RETRY_USEC USEC_PER_SEC
#define QUIET_USEC (50 * USEC_PER_MSEC)
#define MAINTAIN_USEC USEC_PER_MINUTE
#define DEFAULT_MAX_EVENTS 65536
#define DEFAULT_MAX_BYTES (16 * 1024 * 1024)

/* The lock is flock(2)'s, which does not meddle with the fcntl(2) locks that SQLite takes on the same file; but closing any
 * descriptor of the file drops those, so this one is closed last. */
static int file_lock(const char *path, int *ret) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

static void writer_close_file(Writer *w) {
        store_close(&w->store);
        closep(&w->lock_fd);
        w->lock_fd = -EBADF;
}

static int writer_open_file(Writer *w) {
        int r = file_lock(w->path, &w->lock_fd);
        if (r < 0)
                return r;
        w->generation++;
        return store_open(&w->store, w->path);
}

/* Puts the damaged file aside and goes on in a new one, with numbers above all that the old one is known to have used. */
static int writer_replace_file(Writer *w, char **ret_damaged) {
        _cleanup_free_ char *moved = NULL;
        uint64_t last, before = MAX(w->store.last_seq, w->durable_seq);

        store_close(&w->store);
        int r = damage_move_aside(w->path, realtime_now(), &moved);
        if (r < 0)
                return r;
        writer_close_file(w);
        r = writer_open_file(w);
        if (r < 0)
                return r;
        r = damage_salvage(moved, &w->store, &last);
        if (r < 0)
                return r;
        /* Nothing is known of the numbers in use: the clock gives one that no count of events comes near, and a later one
         * if that ever happens again. (In 2026 about 1.8e15 microseconds; a double counts to 9e15.) */
        if (before == 0 && last == 0)
                last = MIN(realtime_now(), (usec_t) STORE_SEQ_MAX / 2);
        r = store_set_seq_floor(&w->store, MAX(before, last));
        if (r < 0)
                return r;
        *ret_damaged = TAKE_PTR(moved);
        return 0;
}

static void writer_publish(Writer *w) {
        uint64_t used, total;

        if (store_size(&w->store, &used, &total) >= 0)
                w->db_bytes = total;
        w->first_seq = w->store.first_seq;
}

static void locks_init(Writer *w) {
        pthread_condattr_t attr;

        pthread_mutex_init(&w->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&w->wake, &attr);
        pthread_cond_init(&w->ended, &attr);
        pthread_condattr_destroy(&attr);
}

int writer_init(Writer *w, const EventLogConfig *config, int notify_fd, char **ret_damaged) {
        _cleanup_free_ char *damaged = NULL;

        *w = (Writer){ .lock_fd = -EBADF, .notify_fd = notify_fd };
        locks_init(w);
        queue_init(&w->queue, config->queue_max_events ?: DEFAULT_MAX_EVENTS,
                   config->queue_max_bytes ?: DEFAULT_MAX_BYTES, random_u64());
        retention_init(&w->retention, config->max_age, config->max_size, config->hard_max_size, random_u64());
        w->path = strdup(config->path);
        if (!w->path)
                return -ENOMEM;
        db_setup();
        int r = writer_open_file(w);
        if (r == -EUCLEAN)
                r = writer_replace_file(w, &damaged);
        if (r < 0)
                return r;
        w->durable_seq = w->store.last_seq;
        writer_publish(w);
        if (ret_damaged)
                *ret_damaged = TAKE_PTR(damaged);
        return 0;
}

void writer_done(Writer *w) {
        assert(!w->running);
        writer_close_file(w);
        queue_done(&w->queue);
        item_list_clear(&w->batch);
        w->path = free_(w->path);
        w->damaged = free_(w->damaged);
        pthread_cond_destroy(&w->wake);
        pthread_cond_destroy(&w->ended);
        pthread_mutex_destroy(&w->lock);
}

uint64_t writer_last_seq(const Writer *w) {
        return w->durable_seq;
}

static void writer_set_error(Writer *w, int error) {
        if (atomic_exchange(&w->error, error) != error)
                thread_notify(w->notify_fd);
}

/* Damage found while running: the same as at start, but with the batch in hand, which goes to the new file. */
static int writer_recover(Writer *w) {
        _cleanup_free_ char *damaged = NULL;

        if (w->n_damaged >= DAMAGED_MAX)
                return -EUCLEAN;
        w->n_damaged++;
        int r = writer_replace_file(w, &damaged);
        if (r < 0)
                return r;
        pthread_mutex_lock(&w->lock);
        free(w->damaged);
        w->damaged = TAKE_PTR(damaged);
        pthread_mutex_unlock(&w->lock);
        thread_notify(w->notify_fd);
        return 0;
}

/* A file that could not be opened again is tried again with each commit. */
static int writer_try(Writer *w, uint64_t *ret_refused) {
        if (!w->store.db) {
                writer_close_file(w);
                int r = writer_open_file(w);
                if (r < 0)
                        return r;
        }
        int r = store_commit(&w->store, &w->batch, ret_refused);
        if (r != -EUCLEAN)
                return r;
        r = writer_recover(w);
        if (r < 0)
                return r;
        return store_commit(&w->store, &w->batch, ret_refused);
}

static void writer_commit(Writer *w) {
        usec_t start = monotonic_now();
        uint64_t refused = 0;

        int r = writer_try(w, &refused);
        if (r < 0) {
                w->failed_commits++;
                /* A checkpoint may need no new blocks, and lets the next try write over the old ones of the WAL. */
                if (r == -ENOSPC && w->store.db)
                        (void) store_checkpoint_now(&w->store);
                w->retry_at = monotonic_now() + RETRY_USEC;
                writer_set_error(w, r);
                return;
        }
        usec_t took = monotonic_now() - start;
        pthread_mutex_lock(&w->lock);
        queue_settle(&w->queue);
        pthread_mutex_unlock(&w->lock);
        w->commit_last = took;
        if (took > w->commit_max)
                w->commit_max = took;
        w->refused += refused;
        w->bytes_since_retention += w->batch.bytes;
        w->retry_at = 0;
        w->first_seq = w->store.first_seq;
        w->durable_seq = MAX(w->store.last_seq, w->durable_seq);
        w->commits++; /* after durable_seq: who sees the one sees the other */
        thread_notify(w->notify_fd);
        writer_set_error(w, 0);
        item_list_clear(&w->batch);
}

/* Between two commits. Failures are not the writer's state: what is on disk stays there, and a commit will tell. */
static void writer_maintain(Writer *w) {
        usec_t now = monotonic_now();
        bool more = false;

        if (!w->store.db)
                return;
        (void) store_checkpoint(&w->store, w->quiet_at > 0 && now >= w->quiet_at);
        w->quiet_at = store_wants_checkpoint(&w->store) ? now + QUIET_USEC : 0;
        if (w->bytes_since_retention < RETENTION_BYTES && now < w->maintain_at)
                return;
        (void) retention_turn(&w->retention, &w->store, realtime_now(), &more);
        writer_publish(w);
        if (more) /* the next turn comes right behind what is queued */
                w->maintain_at = now;
        else {
                w->maintain_at = now + MAINTAIN_USEC;
                w->bytes_since_retention = 0;
        }
}

/* When something is due even if nothing comes in. */
static usec_t writer_due(const Writer *w) {
        usec_t due = w->maintain_at;

        if (w->quiet_at > 0)
                due = MIN(due, w->quiet_at);
        if (w->batch.n > 0)
                due = MIN(due, w->retry_at);
        if (w->closing)
                due = MIN(due, w->closing_until);
        return due;
}

static void writer_take_limits(Writer *w) {
        if (!w->limits.set)
                return;
        w->limits.set = false;
        w->retention.max_age = w->limits.max_age;
        w->retention.max_size = w->limits.max_size;
        w->retention.hard_max_size = w->limits.hard_max_size;
        w->maintain_at = monotonic_now();
}

/* Waits for work: 1 commit, 0 maintenance only, -ESHUTDOWN the end. */
static int writer_wait(Writer *w) {
        int result = 0;

        pthread_mutex_lock(&w->lock);
        for (;;) {
                usec_t now = monotonic_now();

                if (w->batch.n == 0)
                        queue_take(&w->queue, BATCH_EVENTS, BATCH_BYTES, &w->batch);
                if (w->batch.n > 0 && now >= w->retry_at) {
                        result = 1;
                        break;
                }
                if (w->closing && (w->batch.n == 0 || now >= w->closing_until)) {
                        result = -ESHUTDOWN;
                        break;
                }
                usec_t due = writer_due(w);
                if (w->poked || now >= due)
                        break;
                thread_wait_until(&w->wake, &w->lock, due);
        }
        w->poked = false;
        writer_take_limits(w);
        pthread_mutex_unlock(&w->lock);
        return result;
}

static void *writer_main(void *userdata) {
        Writer *w = userdata;
        int r;

        while ((r = writer_wait(w)) >= 0) {
                if (r > 0)
                        writer_commit(w);
                /* After the commit, so that a lone event is on disk before anything else is done. */
                writer_maintain(w);
                w->progress++;
        }
        store_close(&w->store);
        pthread_mutex_lock(&w->lock);
        w->has_ended = true;
        pthread_cond_signal(&w->ended);
        pthread_mutex_unlock(&w->lock);
        return NULL;
}

int writer_start(Writer *w) {
        w->maintain_at = monotonic_now(); /* what grew too old while we were away */
        int r = thread_start(&w->thread, "eventlog-write", writer_main, w);
        if (r < 0)
                return r;
        w->running = true;
        return 0;
}

bool writer_stop(Writer *w, usec_t timeout) {
        if (!w->running)
                return true;
        pthread_mutex_lock(&w->lock);
        while (w->queue.depth > 0)
                queue_end(&w->queue);
        w->closing = true;
        w->closing_until = monotonic_now() + timeout;
        pthread_cond_signal(&w->wake);
        bool ended = thread_wait_flag(&w->ended, &w->lock, &w->has_ended, w->closing_until + USEC_PER_SEC);
        pthread_mutex_unlock(&w->lock);
        if (!ended) {
                /* Stuck in the disk. It keeps what it uses; the process is about to end. */
                pthread_detach(w->thread);
                return false;
        }
        pthread_join(w->thread, NULL);
        w->running = false;
        return true;
}

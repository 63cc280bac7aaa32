/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for synd in its sandbox: tries what synd needs and what it must not be able to do, writes one line for each into
 * its state directory, says READY and stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static FILE *out;

static void say(const char *what, int r) {
        fprintf(out, "%s: %s\n", what, r < 0 ? strerror(-r) : "ok");
}

static int try_open(const char *path, int flags) {
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

/* A line of PID 1: only the group systemd-journal makes it readable. */
static int try_journal(void) {
        sd_journal *j = NULL;
        int r;

        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r >= 0)
                r = sd_journal_add_match(j, "_PID=1", 0);
        if (r >= 0)
                r = sd_journal_next(j);
        if (r == 0)
                r = -ENODATA;
        sd_journal_close(j);
        return r;
}

static int try_systemd(void) {
        sd_bus *bus = NULL;
        char *state = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                               "org.freedesktop.systemd1.Manager", "Version", NULL, &state);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.synos.Supervisor1", 0);
        free(state);
        sd_bus_flush_close_unref(bus);
        return r;
}

static int try_boot_id(void) {
        sd_id128_t id;

        return sd_id128_get_boot(&id);
}

static void *nothing(void *p) {
        return p;
}

static int try_thread(void) {
        pthread_t t;
        int r = pthread_create(&t, NULL, nothing, NULL);

        if (r == 0)
                r = pthread_join(t, NULL);
        return -r;
}

static int try_socket(int family) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

static int try_unit_files(void) {
        DIR *d = opendir("/etc/systemd/system");

        if (!d)
                return -errno;
        closedir(d);
        return 0;
}

int main(void) {
        out = fopen("/var/lib/synos/probe", "we");
        if (!out)
                return 78;

        say("state", 0);
        say("runtime", try_open("/run/synos/probe", O_WRONLY | O_CREAT));
        say("journal", try_journal());
        say("bus", try_systemd());
        say("log", sd_journal_send("MESSAGE=hello from the sandbox", "PRIORITY=6", NULL));
        say("boot-id", try_boot_id());
        say("thread", try_thread());
        say("unit-files", try_unit_files());
        say("write-unit", try_open("/etc/systemd/system/x.service", O_WRONLY | O_CREAT));
        say("write-etc", try_open("/etc/synos/x", O_WRONLY | O_CREAT));
        say("write-run", try_open("/run/x", O_WRONLY | O_CREAT));
        say("inet", try_socket(AF_INET));
        say("setuid", setuid(0) < 0 ? -errno : 0);
        say("mount", mount("none", "/tmp", "tmpfs", 0, NULL) < 0 ? -errno : 0);
        fclose(out);

        sd_notify(0, "READY=1");
        for (;;)
                pause();
}

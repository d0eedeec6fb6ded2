#define _GNU_SOURCE
#include "watched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"

enum { PF_EXITING = 4 }; /* include/linux/sched.h; in field 9 of /proc/PID/task/TID/stat, see proc_pid_stat(5) */

static int no_such_process(uint32_t pid) { return kill((pid_t)pid, 0) != 0 && errno == ESRCH; }

int fs_watched_open(fs_watched *watched, uint32_t pid, uint32_t tid) {
    *watched = (fs_watched){pid, tid ? tid : pid, -1, -1, 0};
    char path[64];
    watched->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    watched->gone = watched->pidfd < 0 && no_such_process(pid);
    if (watched->gone) return 0;
    if (!fs_thread_lives(watched->pid, watched->tid)) {
        fs_watched_close(watched);
        return EAGAIN;
    }
    snprintf(path, sizeof path, "/proc/%u/task/%u/stat", watched->pid, watched->tid);
    watched->stat = open(path, O_RDONLY | O_CLOEXEC);
    return 0;
}

void fs_watched_close(fs_watched *watched) {
    if (watched->pidfd >= 0) close(watched->pidfd);
    if (watched->stat >= 0) close(watched->stat);
    watched->pidfd = watched->stat = -1;
}

void fs_watched_kill(const fs_watched *watched) {
    if (watched->gone) return;
    if (watched->pidfd >= 0) syscall(SYS_pidfd_send_signal, watched->pidfd, SIGKILL, NULL, 0);
    else syscall(SYS_tgkill, (pid_t)watched->pid, (pid_t)watched->tid, SIGKILL);
}

void fs_watched_hasten(const fs_watched *watched, int32_t priority) {
    if (watched->gone || priority <= 0) return;
    struct sched_param parameter = {.sched_priority = priority};
    cpu_set_t all;
    memset(&all, 0xFF, sizeof all);
    sched_setaffinity((pid_t)watched->pid, sizeof all, &all);
    sched_setscheduler((pid_t)watched->pid, SCHED_FIFO, &parameter);
}

int fs_watched_gone(fs_watched *watched, uint64_t patience_ns) {
    if (watched->gone) return 1;
    struct pollfd ended = {watched->pidfd, POLLIN, 0};
    struct timespec rest = {(time_t)(patience_ns / 1000000000u), (long)(patience_ns % 1000000000u)};
    int readable = ppoll(&ended, 1, &rest, NULL) == 1 && ended.revents & POLLIN; /* without a pidfd: just the wait */
    watched->gone = readable || (watched->pidfd < 0 && no_such_process(watched->pid));
    return watched->gone;
}

/* "TID (name) S ppid pgrp session tty tpgid flags ...": the name may hold anything, a bracket too. */
static unsigned long flags_of(const char *stat) {
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 9; field++) at = strchr(at + 1, ' ');
    return at ? strtoul(at, NULL, 10) : PF_EXITING;
}

int fs_watched_thread_ends(const fs_watched *watched) {
    if (watched->gone || !fs_thread_lives(watched->pid, watched->tid)) return 1;
    char text[512];
    ssize_t size = watched->stat < 0 ? -1 : pread(watched->stat, text, sizeof text - 1, 0);
    if (size <= 0) return 1;
    text[size] = '\0';
    return (flags_of(text) & PF_EXITING) != 0;
}

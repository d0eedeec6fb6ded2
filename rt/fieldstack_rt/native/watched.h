/* The RT process as its guard holds it: a pidfd, which proves its end, and a look at its cycle thread. */
#ifndef FIELDSTACK_WATCHED_H
#define FIELDSTACK_WATCHED_H

#include <stdint.h>

typedef struct fs_watched {
    uint32_t pid, tid;
    int pidfd, stat; /* -1: not to be had */
    int gone;        /* proven */
} fs_watched;

/* 0: to be watched, or `gone`; EAGAIN: the process lives without that thread, so it is just ending, or another one. */
int fs_watched_open(fs_watched *watched, uint32_t pid, uint32_t tid);
void fs_watched_close(fs_watched *watched);
/* SIGKILL; harmless to one that has ended. */
void fs_watched_kill(const fs_watched *watched);
/* After fs_watched_kill: gives what is left of it, its main thread, a priority and any CPU.  Nothing of it comes to run but
 * the kernel's own work for its end, which else waits for whoever uses the CPUs. */
void fs_watched_hasten(const fs_watched *watched, int32_t priority);
/* Whether the whole process has ended, so that nothing of it can send a frame; waits for that at most so long. */
int fs_watched_gone(fs_watched *watched, uint64_t patience_ns);
/* Whether its cycle thread has ended or is about to.  Where the system does not tell: 1. */
int fs_watched_thread_ends(const fs_watched *watched);

#endif

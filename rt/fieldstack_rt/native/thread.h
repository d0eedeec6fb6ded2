/* Starting a thread, and what makes it a real-time one. */
#ifndef FIELDSTACK_THREAD_H
#define FIELDSTACK_THREAD_H

#include <pthread.h>
#include <stdint.h>

typedef struct fs_thread_setup {
    int32_t cpu;       /* -1: any */
    int32_t priority;  /* SCHED_FIFO 1..99; 0: SCHED_OTHER */
    uint32_t degraded; /* FS_DEGRADED_*: what was refused */
} fs_thread_setup;

int fs_thread_start(pthread_t *thread, void *(*body)(void *), void *argument);
/* For the calling thread: affinity, SCHED_FIFO, a touched stack. */
void fs_thread_prepare(fs_thread_setup *setup);

#endif

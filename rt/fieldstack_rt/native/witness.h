/* A witness on RT's CPU: tells a CPU that stood still from an RT process that hangs on a living one.
 *
 * The thread sleeps until the guard asks; it runs above RT's priority, so that an RT thread that spins cannot
 * silence it.  While RT makes progress it is never woken.
 */
#ifndef FIELDSTACK_WITNESS_H
#define FIELDSTACK_WITNESS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

#include "thread.h"

typedef struct fs_witness {
    fs_thread_setup setup;
    pthread_t thread;
    sem_t question;
    uint32_t running, stop;
    uint32_t asked, answered;
} fs_witness;

/* 0 or an errno. Without a witness every CPU counts as living. */
int fs_witness_start(fs_witness *witness, int32_t cpu, int32_t priority);
void fs_witness_stop(fs_witness *witness);
void fs_witness_ask(fs_witness *witness);
/* 1: the last question was answered (or there is nobody to ask). */
int fs_witness_answered(const fs_witness *witness);

#endif

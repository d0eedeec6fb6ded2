/* What the parts of the cycle share; for the files of the cycle alone. */
#ifndef FIELDSTACK_CYCLE_STATE_H
#define FIELDSTACK_CYCLE_STATE_H

#include <pthread.h>
#include <stdint.h>

#include "agent.h"
#include "cycle.h"
#include "thread.h"

typedef int (*send_function)(void *context);
typedef int (*receive_function)(void *context, int timeout_us);

enum command { COMMAND_IDLE, COMMAND_RUN, COMMAND_HALT, COMMAND_RELEASE };

struct fs_cycle {
    fs_store *store;
    pthread_t thread;
    fs_thread_setup setup;
    uint64_t lock_timeout_ns;
    int lock_error;
    uint32_t command, ready, halted;         /* between Python's thread and this one: atomic */
    uint32_t enabled, supervised, quiesce, standing;

    fs_cycle_config config;
    send_function send;
    receive_function receive;

    /* the cycle thread's own */
    fs_rt_status status;
    fs_axis axes[64];
    fs_agent agent;
    uint64_t next_ns;
    uint32_t own_resets, was_enabled, all_enabled, never_told, wkc_told, damage_told;
    uint64_t faults_told;                    /* a bit an axis */
    uint64_t finished_stream;                /* setpoints of this stream and before are void */
    long preemptions;
    uint32_t late_answers;                   /* cycles for which answers of earlier ones may still come */
    int dry;
};

/* ---- cycle.c ---- */
void fs_cycle_tell(fs_cycle *cycle, uint64_t now, uint32_t code, uint32_t subject, int64_t a, int64_t b, int64_t c);
int fs_cycle_all_standing(const fs_cycle *cycle);
/* How often the kernel took the CPU from this thread since the last call: tells preemption from a stall. */
long fs_cycle_new_preemptions(fs_cycle *cycle);

/* ---- stop.c: why the axes must stand ---- */
void fs_cycle_obey_latch(fs_cycle *cycle, uint64_t now);
uint32_t fs_cycle_stop_reason(fs_cycle *cycle, uint64_t now); /* enum fs_stop */

/* Whether axes that came to rest for this reason are held under power. */
int fs_cycle_keeps_power(const fs_cycle *cycle, uint32_t stop);

/* ---- setpoints.c: the stream from the Main Core ---- */
/* Takes this cycle's setpoint if there is one and it may be played; 1: the axes follow. */
int fs_cycle_take_setpoint(fs_cycle *cycle, uint64_t now, uint32_t stop, double dt_s);

/* Setpoints of `last` and before are void. */
void fs_cycle_void_streams(fs_cycle *cycle, uint64_t now, uint64_t last);

/* ---- exchange.c: process data through SOEM ---- */
uint32_t fs_cycle_exchange(fs_cycle *cycle); /* enum fs_sample_flag */

#endif

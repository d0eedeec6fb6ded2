/* The references that benchmarks measure against: a timer loop that does nothing else, or nothing else but
 * SOEM's exchange.  No shared memory, no axes, no statistics. */
#ifndef FIELDSTACK_BARE_LOOP_H
#define FIELDSTACK_BARE_LOOP_H

#include <stdint.h>

typedef struct fs_bare_sample {
    uint64_t due_ns;      /* when the loop was to wake */
    uint32_t wake_ns;     /* how late it did */
    uint32_t exchange_ns; /* send to receive; 0 without a bus */
    int32_t wkc;          /* -1: no frame came back, or no bus */
    uint32_t preemptions; /* involuntary context switches of the thread so far */
} fs_bare_sample;

typedef struct fs_bare_loop {
    uint64_t context, send, receive; /* as in fs_cycle_config; context 0: no bus, a timer loop alone */
    uint32_t receive_timeout_us;
    int32_t cpu;                  /* -1: any */
    int32_t priority;             /* SCHED_FIFO; 0: none */
    uint32_t degraded;            /* FS_DEGRADED_*: what was refused */
    uint64_t period_ns, phase_ns; /* wakes at phase + n * period of CLOCK_MONOTONIC */
    fs_bare_sample *samples;
    uint64_t capacity; /* samples that fit; the loop goes on without them */
    uint64_t count;    /* atomic: samples written */
    uint32_t stop;     /* atomic: 1 ends the loop */
    uint32_t pad;
} fs_bare_loop;

/* Runs in the calling thread, which becomes a real-time one, until `stop`. */
void fs_bare_loop_run(fs_bare_loop *loop);
void fs_bare_loop_stop(fs_bare_loop *loop);
uint64_t fs_bare_loop_count(const fs_bare_loop *loop);

#endif

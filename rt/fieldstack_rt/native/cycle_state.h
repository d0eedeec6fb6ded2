/* What the parts of the cycle share; for the files of the cycle alone. */
#ifndef FIELDSTACK_CYCLE_STATE_H
#define FIELDSTACK_CYCLE_STATE_H

#include <pthread.h>
#include <stdint.h>

#include "agent.h"
#include "cycle.h"
#include "lock.h"
#include "standstill.h"
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
    fs_enrolment enrolment;
    uint32_t lock_word, pid, tid, phase; /* as they stand in the shared memory while all is well */
    uint32_t command, ready, halted;     /* between Python's thread and this one: atomic */
    uint32_t supervised, quiesce, standing, lost_wkc, essential_lost;
    uint64_t enabled, lost; /* masks of axes */

    fs_cycle_config config;
    send_function send;
    receive_function receive;

    /* the cycle thread's own */
    fs_rt_status status;
    fs_axis axes[FS_MAX_AXES];
    fs_standstill stands[FS_MAX_AXES];
    uint64_t fresh;       /* mask: axes whose inputs came in the last exchange */
    uint64_t stopping_ns; /* since all axes must stand */
    int stand_told;
    fs_agent agent;
    uint64_t next_ns;
    uint32_t behind;      /* cycles that were skipped since the last one */
    uint32_t gap;         /* cycles since inputs were last taken, skipped ones among them */
    uint64_t adrift;      /* axes that moved in a gap beyond the limit: where, is not known */
    uint32_t sure_row;    /* exchanges with all slaves in a row, without a late answer */
    uint64_t was_enabled; /* mask of axes */
    uint32_t resets;      /* that people asked for */
    uint32_t own_resets[FS_MAX_AXES];
    uint32_t may_jog; /* as may_move, of axes that a person holds: a wait for a start is none for them */
    uint32_t all_enabled, may_move, never_told, hold_over_told, wkc_told, damage_told;
    int32_t least_told;                /* expected working counter, as told last */
    uint32_t unexcused_row;            /* bad cycles that no loss in a non-essential group explains */
    uint64_t held;                     /* axes whose own group must stand */
    uint64_t powering;                 /* of those: they were given power and will soon have it */
    uint64_t waited_ns;                /* a stream waits for such axes */
    uint64_t playing, commanded;       /* axes that follow; that the last setpoint commanded */
    uint64_t by_hand;                  /* of those that follow in this cycle: a person holds them */
    uint8_t axis_stop[FS_MAX_AXES];    /* enum fs_stop of the axis's own group */
    uint32_t group_stops[FS_MAX_AXES]; /* bit an enum fs_stop: all reasons of a group in this cycle */
    uint64_t held_at[FS_MAX_AXES];     /* cycle in which an axis was last held by what begins a wait */
    uint32_t start_armed;              /* the start input was seen low since the axes wait */
    uint64_t ever_powered;             /* axes that were enabled since RT began */
    uint64_t had_power;                /* axes that were enabled in the cycle before */
    uint64_t faults_told;              /* a bit an axis */
    uint64_t tail;                     /* of the setpoint ring, as this thread left it */
    uint64_t finished_stream;          /* setpoints of this stream and before are void */
    long preemptions;
    uint32_t late_answers; /* cycles for which answers of earlier ones may still come */
    int dry;
};

/* ---- cycle.c ---- */
void fs_cycle_tell(fs_cycle *cycle, uint64_t now, uint32_t code, uint32_t subject, int64_t a, int64_t b, int64_t c);
uint64_t fs_cycle_axes(const fs_cycle *cycle); /* mask: all there are */
/* Those of `axes` stand; axes of lost slaves do not count, nothing is known of them. */
int fs_cycle_standing_all(const fs_cycle *cycle, uint64_t axes);
/* How often the kernel took the CPU from this thread since the last call: tells preemption from a stall. */
long fs_cycle_new_preemptions(fs_cycle *cycle);

/* ---- cycle_life.c: how the thread begins, shows that it lives, and ends ---- */
int fs_life_begin(fs_cycle *cycle);                   /* takes the bus: 0 or an errno */
void fs_life_beat(fs_cycle *cycle, uint64_t now);     /* after an exchange */
void fs_life_idle(fs_cycle *cycle, uint32_t command); /* beats as long as this is the command */
void fs_life_end(fs_cycle *cycle);

/* ---- stop.c: why the axes must stand ---- */
void fs_cycle_obey_latch(fs_cycle *cycle, uint64_t now);
uint32_t fs_cycle_stop_reason(fs_cycle *cycle, uint64_t now); /* enum fs_stop, of all axes */

/* ---- groups.c: what of it concerns one group alone ---- */
/* Judges all groups: fills group_stops, and returns the reasons of essential ones, bit an enum fs_stop. */
uint32_t fs_cycle_judge_groups(fs_cycle *cycle, uint64_t faulted);
/* Holds the groups that have reasons of their own: fills axis_stop and held. */
void fs_cycle_hold_groups(fs_cycle *cycle, uint64_t now);
uint32_t fs_cycle_worst(uint32_t stops); /* the highest enum fs_stop of a mask, NONE of none */
/* enum fs_stop that is shown for an axis, where all have reason `stop`. */
uint32_t fs_cycle_axis_stop(const fs_cycle *cycle, uint32_t axis, uint32_t stop);

/* ---- start.c: what has stopped waits for a start ---- */
/* Axes held by `stops` (bit an enum fs_stop, of all axes) or their group's begin to wait; a start is taken. */
void fs_cycle_await_start(fs_cycle *cycle, uint64_t now, uint32_t stops);
void fs_cycle_all_await_start(fs_cycle *cycle, uint64_t now); /* at RT's start */
/* With the inputs of this cycle: a rising edge of the start input. */
void fs_cycle_watch_start_input(fs_cycle *cycle);
int fs_cycle_essential_waits(const fs_cycle *cycle);

/* Whether axes that came to rest for this reason are held under power. */
int fs_cycle_keeps_power(const fs_cycle *cycle, uint32_t stop);

/* ---- setpoints.c: the stream from the Main Core ---- */
/* Takes this cycle's setpoint if there is one and it may be played; the mask of the axes that follow it.
 * `behind`: cycles that were skipped; `dt_s`: the cycle time. */
uint64_t fs_cycle_take_setpoint(fs_cycle *cycle, uint64_t now, uint32_t stop, uint32_t behind, double dt_s);

/* Setpoints of `last` and before are void. */
void fs_cycle_void_streams(fs_cycle *cycle, uint64_t now, uint64_t last);

/* ---- stop_watch.c: whether they do ---- */
void fs_cycle_see_axes(fs_cycle *cycle);    /* after an exchange: takes the inputs of the axes that came */
void fs_cycle_mark_inputs(fs_cycle *cycle); /* before it */
/* Judges one axis by its last inputs, before its control word is chosen. */
void fs_cycle_watch_stop(fs_cycle *cycle, uint64_t now, uint32_t axis, uint32_t stop);
/* Writes its outputs, unless its ladder keeps them safe. */
void fs_cycle_write_axis(fs_cycle *cycle, uint32_t axis, uint8_t *outputs);
/* After all axes: brakes, and what is told and published of the stop. */
void fs_cycle_close_watch(fs_cycle *cycle, uint64_t now, uint8_t *outputs);
/* 0: they move, or have power; 1: they stand without; 2: as far as anything is known of them. */
int fs_cycle_at_stand(const fs_cycle *cycle);

/* ---- exchange.c: process data through SOEM ---- */
uint32_t fs_cycle_exchange(fs_cycle *cycle); /* enum fs_sample_flag */

#endif

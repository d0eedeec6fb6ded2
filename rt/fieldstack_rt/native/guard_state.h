/* What the parts of the guard share; for the files of the guard alone. */
#ifndef FIELDSTACK_GUARD_STATE_H
#define FIELDSTACK_GUARD_STATE_H

#include <pthread.h>
#include <stdint.h>

#include "guard.h"
#include "lock.h"
#include "safe_frames.h"
#include "store.h"
#include "thread.h"
#include "watched.h"
#include "witness.h"

struct fs_guard {
    fs_store *store;
    fs_guard_config config;
    fs_thread_setup setup;
    pthread_t thread;
    int eventfd;
    uint32_t ready, stop, demand; /* atomic */
    fs_enrolment enrolment;
    uint32_t word;       /* with which this thread holds a lock */
    int has_life;        /* nonrt_lock */
    uint32_t life_looks; /* that found it in other hands */
    fs_guard_status status;
    uint32_t odd_word, odd_looks; /* rt_lock while nobody has the bus */
    uint64_t shown_seq;           /* for this process's readers: nobody else writes it */
    fs_guard_status shown;

    /* of the RT process that is watched, or was stopped; private: damage to what is shared cannot reach it */
    uint64_t done_epoch; /* it has ended or was stopped: its plan is of no use any more */
    fs_guard_plan plan;
    fs_safe_frames frames;
    fs_watched watched;
    uint32_t rt_word; /* rt_lock while its cycle thread holds it */
    uint64_t beat;
    uint64_t ending_ns; /* since it announced its end; 0: it has not */
    int exchanging;     /* it has begun to */
    uint32_t quiet, excused_row, disobeyed;
    fs_witness witness;
};

/* ---- guard.c ---- */
void fs_guard_publish(fs_guard *guard);
void fs_guard_notify(const fs_guard *guard);
void fs_guard_set_state(fs_guard *guard, uint32_t state);
void fs_guard_disarm(fs_guard *guard); /* IDLE; the plan that was in force is done with */
void fs_guard_pause(uint64_t duration_ns);
/* Whether yet another RT process has the bus, by what several words say. */
int fs_guard_another_has_it(const fs_guard *guard);

/* ---- guard_watch.c: one observation of a living RT process ---- */
void fs_guard_begin_watch(fs_guard *guard);
void fs_guard_watch(fs_guard *guard);

/* ---- guard_trip.c: RT is ended, outputs are made safe and kept so ---- */
void fs_guard_trip(fs_guard *guard, uint32_t cause, uint64_t detected_ns);
void fs_guard_hold(fs_guard *guard);
void fs_guard_let_go(fs_guard *guard); /* of rt_lock */

#endif

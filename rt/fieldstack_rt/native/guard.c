#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "guard_state.h"

/* Stated bounds. */
static const uint64_t IDLE_NS = 1000000;      /* between looks while there is no RT to watch */
static const uint64_t START_LOOK_NS = 100000; /* between looks whether its thread is set up */
static const uint32_t READ_ATTEMPTS = 1000;
static const uint32_t ODD_LOOKS = 100;  /* a process that has just taken the bus says so within a beat */
static const uint32_t LIFE_LOOKS = 500; /* whose TID stands in nonrt_lock for so long is no predecessor */
static const int32_t HIGHEST_PRIORITY = 98;

void fs_guard_pause(uint64_t duration_ns) {
    struct timespec duration = {(time_t)(duration_ns / 1000000000u), (long)(duration_ns % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

void fs_guard_publish(fs_guard *guard) {
    fs_record_write(&guard->shown_seq, &guard->shown, &guard->status, sizeof guard->status);
    fs_block_write(guard->store, FS_BLOCK_GUARD_STATUS, &guard->status);
}

void fs_guard_notify(const fs_guard *guard) {
    uint64_t one = 1;
    ssize_t written = write(guard->eventfd, &one, sizeof one);
    (void)written; /* a full counter is as readable as an empty one is not */
}

void fs_guard_set_state(fs_guard *guard, uint32_t state) {
    guard->status.state = state;
    fs_guard_publish(guard);
}

/* ---- arming ---- */

static int plan_is_whole(const fs_guard_plan *plan) {
    fs_guard_plan copy = *plan;
    copy.checksum = 0;
    return plan->epoch != 0 && fs_checksum(&copy, sizeof copy) == plan->checksum;
}

static void close_all(fs_guard *guard) {
    fs_safe_frames_close(&guard->frames);
    fs_watched_close(&guard->watched);
    fs_witness_stop(&guard->witness);
    guard->status.armed_epoch = 0;
}

void fs_guard_disarm(fs_guard *guard) {
    guard->done_epoch = guard->plan.epoch;
    guard->status.armed_epoch = 0;
    int held = guard->status.state == FS_GUARD_TRIPPED;
    fs_guard_set_state(guard, FS_GUARD_IDLE);
    if (held) fs_guard_let_go(guard);
    close_all(guard); /* last: the end of a packet socket takes many cycles, and somebody waits for the bus */
}

/* Where RT has no real-time priority anybody may hold it up, and a witness could tell nothing. */
static void call_witness(fs_guard *guard) {
    int32_t priority = guard->plan.rt_priority;
    if (guard->plan.rt_cpu < 0 || priority <= 0 || priority >= HIGHEST_PRIORITY) return;
    fs_witness_start(&guard->witness, guard->plan.rt_cpu, priority + 1);
}

/* One that died with nobody to watch it: its outputs are made safe now, unless they were, or it ended in order. */
static int died_unwatched(const fs_guard *guard, const fs_guard_plan *plan) {
    const fs_store *store = guard->store;
    uint32_t phase = fs_load32(&store->rt_phase);
    return plan->epoch == fs_load64(&store->rt_epoch) && (phase == FS_RT_STARTING || phase == FS_RT_CYCLING);
}

static int ended_in_order(const fs_guard *guard, const fs_guard_plan *plan) {
    return fs_load64(&guard->store->rt_end) == fs_end_token(plan->epoch, FS_END_RELEASED);
}

/* A living process counts by its plan alone: no word beside that keeps the guard from it. */
static int open_watched(fs_guard *guard, const fs_guard_plan *plan) {
    if (fs_watched_open(&guard->watched, plan->rt_pid, plan->rt_tid)) return 0;
    return !guard->watched.gone || died_unwatched(guard, plan);
}

/* Everything that allocates in the kernel is done here, while RT is well. */
static int arm(fs_guard *guard) {
    fs_guard_plan *plan = &guard->plan;
    if (fs_load64(&guard->store->guard_plan.epoch) == guard->done_epoch) return 0; /* the next one's is yet to come */
    if (fs_block_read(guard->store, FS_BLOCK_GUARD_PLAN, plan, READ_ATTEMPTS) || !plan_is_whole(plan)) return 0;
    if (plan->epoch == guard->done_epoch || ended_in_order(guard, plan)) return 0;
    if (!open_watched(guard, plan)) return 0;
    if (fs_safe_frames_open(&guard->frames, plan)) {
        fs_watched_close(&guard->watched);
        return 0;
    }
    guard->rt_word = fs_lock_word_of(guard->watched.tid);
    fs_guard_begin_watch(guard);
    call_witness(guard);
    guard->status.armed_epoch = plan->epoch;
    fs_guard_set_state(guard, FS_GUARD_ARMED);
    return 1;
}

int fs_guard_another_has_it(const fs_guard *guard) {
    const fs_store *store = guard->store;
    uint32_t tid = fs_load32(&store->rt_tid), word = fs_lock_word(&store->rt_lock);
    return fs_load64(&store->rt_epoch) != guard->plan.epoch && word == fs_lock_word_of(tid) && word != guard->rt_word &&
           fs_thread_lives(fs_load32(&store->header.rt_pid), tid);
}

/* A lock that keeps naming what is no RT process's thread was damaged while nobody had the bus; it would keep RT from it. */
static void tidy_lock(fs_guard *guard) {
    fs_store *store = guard->store;
    uint32_t word = fs_lock_word(&store->rt_lock), tid = fs_load32(&store->rt_tid);
    int told = word == fs_lock_word_of(tid) && fs_thread_lives(fs_load32(&store->header.rt_pid), tid);
    int odd = word != 0 && !fs_lock_died(word) && !told;
    guard->odd_looks = odd && word == guard->odd_word ? guard->odd_looks + 1 : 0;
    guard->odd_word = word;
    if (guard->odd_looks >= ODD_LOOKS) fs_lock_take(&store->rt_lock, word, 0);
}

static void stand_by(fs_guard *guard) {
    if (arm(guard)) return;
    tidy_lock(guard);
    fs_guard_publish(guard); /* what RT processes that ask for the bus go by is never old or damaged for long */
    fs_guard_pause(IDLE_NS);
}

/* ---- the Non-RT process's own life, for RT's agent ---- */

/* Held from the thread's start to its end: RT's cycle sees in the word itself that its owner died.  A predecessor
 * that is still being torn down has it a little longer. */
static void hold_life(fs_guard *guard) {
    fs_lock *lock = &guard->store->nonrt_lock;
    if (guard->has_life) fs_lock_stamp(lock, guard->word);
    else if (!fs_lock_has_living_owner(lock) || ++guard->life_looks > LIFE_LOOKS)
        guard->has_life = fs_lock_take(lock, fs_lock_word(lock), guard->word);
}

/* ---- the thread ---- */

static void step(fs_guard *guard) {
    hold_life(guard);
    switch (guard->status.state) {
    case FS_GUARD_ARMED: fs_guard_watch(guard); break;
    case FS_GUARD_TRIPPED: fs_guard_hold(guard); break;
    default: stand_by(guard);
    }
}

static void *guard_thread(void *argument) {
    fs_guard *guard = argument;
    fs_thread_prepare(&guard->setup);
    fs_set32(&guard->ready, 1);
    guard->word = fs_lock_enrol(&guard->enrolment, guard->store);
    while (!fs_load32(&guard->stop)) step(guard);
    if (guard->status.state == FS_GUARD_TRIPPED) fs_guard_let_go(guard);
    close_all(guard);
    fs_guard_set_state(guard, FS_GUARD_OFF);
    if (guard->has_life) fs_lock_free(&guard->store->nonrt_lock, guard->word);
    return NULL;
}

static fs_guard *make(fs_store *store, const fs_guard_config *config) {
    fs_guard *guard = calloc(1, sizeof *guard);
    if (!guard) return NULL;
    guard->store = store;
    guard->config = *config;
    guard->setup = (fs_thread_setup){config->cpu, config->priority, 0};
    guard->watched.pidfd = guard->watched.stat = guard->frames.socket = -1;
    guard->status.state = FS_GUARD_IDLE;
    guard->shown = guard->status;
    guard->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return guard;
}

int fs_guard_start(fs_store *store, const fs_guard_config *config, fs_guard **out) {
    *out = NULL;
    fs_guard *guard = make(store, config);
    if (!guard) return ENOMEM;
    int error = guard->eventfd < 0 ? errno : fs_thread_start(&guard->thread, guard_thread, guard);
    if (error) {
        if (guard->eventfd >= 0) close(guard->eventfd);
        free(guard);
        return error;
    }
    while (!fs_load32(&guard->ready)) fs_guard_pause(START_LOOK_NS); /* or what was refused would not be known yet */
    *out = guard;
    return 0;
}

void fs_guard_stop(fs_guard *guard) {
    fs_set32(&guard->stop, 1);
    pthread_join(guard->thread, NULL);
    close(guard->eventfd);
    free(guard);
}

int fs_guard_fd(const fs_guard *guard) { return guard->eventfd; }
uint32_t fs_guard_degraded(const fs_guard *guard) { return guard->setup.degraded; }
void fs_guard_demand_trip(fs_guard *guard) { fs_set32(&guard->demand, 1); }

int fs_guard_read(const fs_guard *guard, fs_guard_status *out) {
    return fs_record_read(&guard->shown_seq, &guard->shown, out, sizeof *out, READ_ATTEMPTS);
}

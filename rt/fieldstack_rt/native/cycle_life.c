#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "cycle_state.h"
#include "lock.h"
#include "store.h"

static const uint64_t IDLE_NS = 1000000;     /* between beats while nothing is exchanged */
static const uint64_t ANSWER_NS = 100000000; /* a guard looks each cycle: one that has not answered by then will not */

static void rest(void) {
    static const struct timespec duration = {0, (long)IDLE_NS};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

static void keep32(uint32_t *word, uint32_t value) {
    if (fs_load32(word) != value) fs_set32(word, value);
}

static void keep64(uint64_t *word, uint64_t value) {
    if (fs_load64(word) != value) fs_set64(word, value);
}

/* What this thread alone writes is as it wrote it, from beat to beat: damage lasts a cycle. */
static void keep_words(fs_cycle *cycle) {
    fs_store *store = cycle->store;
    fs_lock_stamp(&store->rt_lock, cycle->lock_word);
    keep64(&store->rt_epoch, cycle->status.epoch);
    keep32(&store->header.rt_pid, cycle->pid);
    keep32(&store->rt_tid, cycle->tid);
    keep32(&store->rt_phase, cycle->phase);
}

void fs_life_beat(fs_cycle *cycle, uint64_t now) {
    keep_words(cycle);
    fs_set64(&cycle->store->rt_beat_ns, now);
    fs_add64(&cycle->store->rt_beat, 1);
}

static void idle_beat(fs_cycle *cycle) {
    keep_words(cycle);
    fs_add64(&cycle->store->rt_idle_beat, 1);
}

int fs_life_begin(fs_cycle *cycle) {
    fs_store *store = cycle->store;
    cycle->lock_word = fs_lock_enrol(&cycle->enrolment, store);
    cycle->pid = (uint32_t)getpid();
    cycle->tid = (uint32_t)gettid();
    fs_bus_ask(store, cycle->pid);
    int error = fs_bus_take(store, cycle->lock_word, cycle->lock_timeout_ns);
    if (error == 0) {
        fs_thread_prepare(&cycle->setup);
        fs_set32(&store->rt_inject, FS_INJECT_NONE);
        cycle->status.epoch = fs_bus_next_epoch(store);
        cycle->status.started_ns = fs_now_ns();
        cycle->phase = FS_RT_STARTING;
        fs_set64(&store->rt_end, 0);
        idle_beat(cycle);
    }
    fs_bus_ask(store, 0);
    return error;
}

void fs_life_idle(fs_cycle *cycle, uint32_t command) {
    while (fs_load32(&cycle->command) == command) {
        idle_beat(cycle);
        rest();
    }
}

static int guard_listens(const fs_cycle *cycle) {
    const fs_store *store = cycle->store;
    return fs_load64(&store->guard_status.armed_epoch) == cycle->status.epoch &&
           fs_lock_has_living_owner(&store->nonrt_lock);
}

static int answered(const fs_cycle *cycle) {
    return fs_load64(&cycle->store->guard_end) == fs_end_token(cycle->status.epoch, FS_END_ANSWERED);
}

/* A guard that is stopped, or gone, holds the end up no longer than that: it finds what stands in rt_end. */
static void await_answer(fs_cycle *cycle) {
    uint64_t until = fs_now_ns() + ANSWER_NS;
    while (fs_now_ns() < until && guard_listens(cycle) && !answered(cycle)) {
        idle_beat(cycle);
        rest();
    }
}

void fs_life_end(fs_cycle *cycle) {
    fs_store *store = cycle->store;
    cycle->phase = FS_RT_STOPPING;
    fs_set64(&store->rt_end, fs_end_token(cycle->status.epoch, FS_END_ANNOUNCED));
    idle_beat(cycle);
    fs_set32(&cycle->halted, 1);
    fs_life_idle(cycle, COMMAND_HALT);
    await_answer(cycle);
    cycle->phase = FS_RT_STOPPED;
    idle_beat(cycle);
    fs_set64(&store->rt_end, fs_end_token(cycle->status.epoch, FS_END_RELEASED));
    fs_set32(&store->rt_tid, 0);
    fs_lock_free(&store->rt_lock, cycle->lock_word);
}

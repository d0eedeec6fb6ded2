#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "safe_frames.h"
#include "store.h"
#include "thread.h"
#include "witness.h"

/* Stated bounds. */
static const uint64_t IDLE_NS = 1000000;            /* between looks while there is no RT to watch */
static const uint64_t SHORTEST_OBSERVATION_NS = 100000;
static const uint32_t CYCLES_TO_OBEY_ESTOP = 10;    /* RT obeys in its next cycle; more is a failure */
static const uint32_t PLAN_READ_ATTEMPTS = 1000;
static const uint64_t EXCUSED_NS = 70000000;        /* at a stretch: a CPU that stands longer is a failure too */
static const int32_t HIGHEST_PRIORITY = 98;
static const uint64_t LIFE_CLAIM_NS = 200000;       /* a try at nonrt_lock; one a look while a predecessor has it */

struct fs_guard {
    fs_store *store;
    fs_guard_config config;
    fs_thread_setup setup;
    pthread_t thread;
    int eventfd, pidfd;
    uint32_t stop, demand;
    fs_guard_status status;
    fs_guard_plan plan;                             /* private: damage to the shared one can not reach it */
    fs_safe_frames frames;
    fs_lock held;                                   /* rt_lock as it is while this thread holds it */
    fs_lock life;                                   /* nonrt_lock likewise */
    int has_life;
    uint64_t beat;
    uint32_t quiet, excused_row, disobeyed;
    fs_witness witness;
};

static void pause_ns(uint64_t duration_ns) {
    struct timespec duration = { (time_t)(duration_ns / 1000000000u), (long)(duration_ns % 1000000000u) };
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

static void publish(fs_guard *guard) { fs_block_write(guard->store, FS_BLOCK_GUARD_STATUS, &guard->status); }

static void notify(const fs_guard *guard) {
    uint64_t one = 1;
    ssize_t written = write(guard->eventfd, &one, sizeof one);
    (void)written; /* a full counter is as readable as an empty one is not */
}

static void set_state(fs_guard *guard, uint32_t state) {
    guard->status.state = state;
    publish(guard);
}

/* ---- arming ---- */

static int plan_is_whole(const fs_guard_plan *plan) {
    fs_guard_plan copy = *plan;
    copy.checksum = 0;
    return fs_checksum(&copy, sizeof copy) == plan->checksum;
}

static void disarm(fs_guard *guard) {
    fs_safe_frames_close(&guard->frames);
    if (guard->pidfd >= 0) close(guard->pidfd);
    guard->pidfd = -1;
    guard->status.armed_epoch = 0;
    fs_witness_stop(&guard->witness);
}

/* Where RT has no real-time priority anybody may hold it up, and a witness could tell nothing. */
static void call_witness(fs_guard *guard) {
    int32_t priority = guard->plan.rt_priority;
    if (guard->plan.rt_cpu < 0 || priority <= 0 || priority >= HIGHEST_PRIORITY) return;
    fs_witness_start(&guard->witness, guard->plan.rt_cpu, priority + 1);
}

/* Everything that allocates in the kernel is done here, while RT is well. */
static int arm(fs_guard *guard) {
    fs_guard_plan *plan = &guard->plan;
    if (fs_block_read(guard->store, FS_BLOCK_GUARD_PLAN, plan, PLAN_READ_ATTEMPTS)) return 0;
    if (plan->epoch == 0 || plan->epoch != fs_load64(&guard->store->rt_epoch) || !plan_is_whole(plan)) return 0;
    if (plan->epoch == guard->status.trip_epoch) return 0; /* its RT is dead; the successor's plan is yet to come */
    disarm(guard);
    if (fs_safe_frames_open(&guard->frames, plan)) return 0;
    guard->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)plan->rt_pid, 0);
    guard->beat = fs_load64(&guard->store->rt_beat);
    guard->quiet = guard->excused_row = guard->disobeyed = 0;
    call_witness(guard);
    guard->status.armed_epoch = plan->epoch;
    set_state(guard, FS_GUARD_ARMED);
    return 1;
}

/* ---- tripping ---- */

static int owns_lock(int error) { return error == 0 || error == EOWNERDEAD; }

/* The mutex tells of the cycle thread's end first.  Where its memory is damaged, the end of the whole
 * process does, and the mutex is made anew. */
static int await_end(fs_guard *guard, uint64_t patience_ns) {
    int error = fs_lock_take(&guard->store->rt_lock, patience_ns / 2);
    if (owns_lock(error)) return 1;
    struct pollfd ended = { guard->pidfd, POLLIN, 0 };
    struct timespec rest = { 0, (long)(patience_ns / 2) };
    if (guard->pidfd < 0 || ppoll(&ended, 1, &rest, NULL) != 1) return 0;
    if (owns_lock(fs_lock_take(&guard->store->rt_lock, 0))) return 1;
    fs_lock_reset(&guard->store->rt_lock);
    return owns_lock(fs_lock_take(&guard->store->rt_lock, 0));
}

static void take_over(fs_guard *guard) {
    guard->status.fence_failed = 0;
    guard->status.fenced_ns = fs_now_ns();
    fs_lock_keep(&guard->store->rt_lock, &guard->held);
    fs_set32(&guard->store->rt_phase, FS_RT_ABSENT); /* or it would be armed anew */
}

/* RT's cycle thread is to be gone before a frame is sent. Where it is not in time, frames are sent all the same:
 * their indexes are none that SOEM looks at, and outputs that nobody makes safe are worse than two masters. */
static void fence(fs_guard *guard, int have_lock) {
    if (!have_lock && guard->pidfd >= 0) syscall(SYS_pidfd_send_signal, guard->pidfd, SIGKILL, NULL, 0);
    if (have_lock || await_end(guard, (uint64_t)guard->config.fence_timeout_ms * 1000000u)) take_over(guard);
    else guard->status.fence_failed = 1;
}

static void look_at_answers(fs_guard *guard, uint64_t patience_ns) {
    fs_safe_answer answer;
    fs_safe_frames_collect(&guard->frames, patience_ns, &answer);
    fs_guard_status *status = &guard->status;
    if (status->lwr_wkc < 0) status->lwr_wkc = answer.lwr_wkc;
    if (answer.answered) {
        status->al_wkc = answer.al_wkc;
        status->al_states = answer.al_states;
    }
    if (status->confirmed_ns || !fs_safe_answer_confirms(&guard->frames, &answer, guard->store)) return;
    status->absent = answer.absent;
    status->confirmed_ns = fs_now_ns();
    publish(guard);
    notify(guard);
}

static void send_safe(fs_guard *guard) {
    if (fs_safe_frames_send(&guard->frames) == 0) guard->status.safe_frames++;
}

static void begin_trip(fs_guard *guard, uint32_t cause, uint64_t detected_ns, int have_lock) {
    fs_guard_status *status = &guard->status;
    status->cause = cause;
    status->trip_epoch = status->armed_epoch;
    status->detected_ns = detected_ns;
    status->fenced_ns = status->safe_frames = status->safe_frame_ns = status->confirmed_ns = status->released_ns = 0;
    status->lwr_wkc = status->al_wkc = -1;
    status->al_states = status->fence_failed = 0;
    fs_set32(&guard->store->rt_claim, 0); /* only a claim made after the trip is for this bus */
    fence(guard, have_lock);
    send_safe(guard);
    status->safe_frame_ns = fs_now_ns();
    fs_estop_raise(guard->store, FS_ESTOP_GUARD, 0, (uint32_t)getpid(), detected_ns, "guard: RT process failed");
    status->trips++;
    set_state(guard, FS_GUARD_TRIPPED);
    notify(guard);
    look_at_answers(guard, guard->plan.cycle_time_ns);
}

static void let_go(fs_guard *guard) {
    if (guard->status.fence_failed) return;
    fs_lock_mend(&guard->store->rt_lock, &guard->held);
    fs_lock_release(&guard->store->rt_lock);
}

static void release_bus(fs_guard *guard) {
    disarm(guard);
    guard->status.released_ns = fs_now_ns();
    set_state(guard, FS_GUARD_IDLE);
    let_go(guard);
    notify(guard);
}

/* A fence that failed is tried again: the process may have been unkillable for a while. */
static void retry_fence(fs_guard *guard) {
    if (!await_end(guard, 2 * SHORTEST_OBSERVATION_NS)) return;
    take_over(guard);
    publish(guard);
    notify(guard);
}

static int claimed(const fs_guard *guard) {
    uint32_t claimant = fs_load32(&guard->store->rt_claim);
    return claimant != 0 && kill((pid_t)claimant, 0) == 0;
}

static void hold_safe(fs_guard *guard) {
    if (guard->status.fence_failed) retry_fence(guard);
    else fs_lock_mend(&guard->store->rt_lock, &guard->held); /* what damaged RT may have damaged the mutex, too */
    if (claimed(guard) && !guard->status.fence_failed) {
        release_bus(guard);
        return;
    }
    uint64_t next = fs_now_ns() + guard->plan.cycle_time_ns;
    send_safe(guard);
    look_at_answers(guard, guard->plan.cycle_time_ns);
    publish(guard);
    uint64_t now = fs_now_ns();
    if (now < next) pause_ns(next - now);
}

/* ---- watching ---- */

/* A damaged phase counts as cycling: it must not switch the watch off. */
static int should_beat(const fs_guard *guard) {
    uint32_t phase = fs_load32(&guard->store->rt_phase);
    return phase == FS_RT_CYCLING || phase > FS_RT_STOPPED;
}

static uint32_t most_excused(const fs_guard *guard) {
    uint64_t cycle_ns = guard->plan.cycle_time_ns;
    return cycle_ns ? (uint32_t)(EXCUSED_NS / cycle_ns) : 0;
}

/* Each call is one observation that lasted a cycle at least, so a stalled guard or machine counts as one. */
static int silent(fs_guard *guard) {
    uint64_t beat = fs_load64(&guard->store->rt_beat);
    guard->status.observations++;
    if (beat != guard->beat || !should_beat(guard)) {
        guard->beat = beat;
        guard->quiet = guard->excused_row = 0;
        guard->status.last_progress_ns = fs_now_ns();
        return 0;
    }
    if (guard->quiet && !fs_witness_answered(&guard->witness) && guard->excused_row < most_excused(guard)) {
        guard->excused_row++; /* nothing at all has run on RT's CPU since the last look */
        guard->status.excused++;
        return 0;
    }
    /* A single quiet look is only a difference in phase: asking then would disturb a healthy cycle. */
    if (guard->quiet && fs_witness_answered(&guard->witness)) fs_witness_ask(&guard->witness);
    return ++guard->quiet >= guard->config.threshold_cycles;
}

static int ignores_estop(fs_guard *guard) {
    uint64_t latch = fs_estop_word(guard->store), seen = fs_load64(&guard->store->rt_status.estop_seen);
    if (latch == 0 || latch == seen || !should_beat(guard)) guard->disobeyed = 0;
    else guard->disobeyed++;
    return guard->disobeyed > CYCLES_TO_OBEY_ESTOP;
}

static int take_demand(fs_guard *guard) { return __atomic_exchange_n(&guard->demand, 0, __ATOMIC_ACQ_REL) != 0; }

static void rt_let_go(fs_guard *guard) {
    if (should_beat(guard)) { /* the mutex came free without a death notice: its memory was damaged */
        begin_trip(guard, FS_TRIP_CORRUPT, fs_now_ns(), 1);
        return;
    }
    disarm(guard);
    set_state(guard, FS_GUARD_IDLE);
    fs_lock_release(&guard->store->rt_lock);
    pause_ns(IDLE_NS);
}

/* Another epoch alone may be a damaged word: a successor has the bus, and its predecessor has ended. */
static int another_came_between(const fs_guard *guard) {
    if (guard->status.armed_epoch == fs_load64(&guard->store->rt_epoch)) return 0;
    struct pollfd ended = { guard->pidfd, POLLIN, 0 };
    int alive = guard->pidfd >= 0 && poll(&ended, 1, 0) == 0;
    return !alive && fs_lock_has_living_owner(&guard->store->rt_lock);
}

static void watch(fs_guard *guard) {
    if (another_came_between(guard)) {
        disarm(guard);
        set_state(guard, FS_GUARD_IDLE);
        return;
    }
    uint64_t cycle = guard->plan.cycle_time_ns;
    int error = fs_lock_take(&guard->store->rt_lock, cycle > SHORTEST_OBSERVATION_NS ? cycle : SHORTEST_OBSERVATION_NS);
    uint64_t now = fs_now_ns();
    if (error == EOWNERDEAD)
        begin_trip(guard, FS_TRIP_DEAD, now, 1);
    else if (error == 0)
        rt_let_go(guard);
    else if (silent(guard))
        begin_trip(guard, error == ETIMEDOUT ? FS_TRIP_SILENT : FS_TRIP_CORRUPT, now, 0);
    else if (ignores_estop(guard) || take_demand(guard))
        begin_trip(guard, FS_TRIP_ESTOP_IGNORED, now, 0);
    else if (error != ETIMEDOUT)
        pause_ns(cycle); /* the lock is damaged: go on by the beat alone */
    if (guard->status.state == FS_GUARD_ARMED) publish(guard);
}

static void stand_by(fs_guard *guard) {
    uint32_t phase = fs_load32(&guard->store->rt_phase);
    if ((phase != FS_RT_STARTING && phase != FS_RT_CYCLING) || !arm(guard)) pause_ns(IDLE_NS);
}

/* ---- the Non-RT process's own life, for RT's agent ---- */

/* Held from the thread's start to its end: RT's cycle sees in the word itself that its owner died.  A predecessor
 * that is still being torn down has it a little longer. */
static void hold_life(fs_guard *guard) {
    fs_lock *lock = &guard->store->nonrt_lock;
    if (guard->has_life) {
        fs_lock_mend(lock, &guard->life);
        return;
    }
    guard->has_life = owns_lock(fs_lock_claim(lock, LIFE_CLAIM_NS));
    if (guard->has_life) fs_lock_keep(lock, &guard->life);
}

static void let_life_go(fs_guard *guard) {
    if (!guard->has_life) return;
    fs_lock_mend(&guard->store->nonrt_lock, &guard->life);
    fs_lock_release(&guard->store->nonrt_lock);
}

static void *guard_thread(void *argument) {
    fs_guard *guard = argument;
    fs_thread_prepare(&guard->setup);
    while (!fs_load32(&guard->stop)) {
        /* While this thread holds rt_lock too, the C library links the two: then neither may be restored whole. */
        if (guard->status.state != FS_GUARD_TRIPPED) hold_life(guard);
        switch (guard->status.state) {
        case FS_GUARD_ARMED: watch(guard); break;
        case FS_GUARD_TRIPPED: hold_safe(guard); break;
        default: stand_by(guard);
        }
    }
    if (guard->status.state == FS_GUARD_TRIPPED) let_go(guard);
    disarm(guard);
    set_state(guard, FS_GUARD_OFF);
    let_life_go(guard);
    return NULL;
}

int fs_guard_start(fs_store *store, const fs_guard_config *config, fs_guard **out) {
    *out = NULL;
    fs_guard *guard = calloc(1, sizeof *guard);
    if (!guard) return ENOMEM;
    guard->store = store;
    guard->config = *config;
    guard->setup = (fs_thread_setup){ config->cpu, config->priority, 0 };
    guard->pidfd = guard->frames.socket = -1;
    guard->status.state = FS_GUARD_IDLE;
    guard->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = guard->eventfd < 0 ? errno : fs_thread_start(&guard->thread, guard_thread, guard);
    if (error) {
        if (guard->eventfd >= 0) close(guard->eventfd);
        free(guard);
        return error;
    }
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

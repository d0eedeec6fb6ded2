#include <errno.h>

#include "bus.h"
#include "guard_state.h"

/* Stated bounds. */
static const uint64_t SHORTEST_OBSERVATION_NS = 100000;
static const uint64_t IDLE_BEAT_NS = 1000000;    /* RT's beat while it exchanges nothing, cycle_life.c */
static const uint32_t CYCLES_TO_OBEY_ESTOP = 10; /* RT obeys in its next cycle; more is a failure */
static const uint64_t EXCUSED_NS = 70000000;     /* at a stretch: a CPU that stands longer is a failure too */

void fs_guard_begin_watch(fs_guard *guard) {
    guard->beat = fs_bus_beats(guard->store);
    fs_set32(&guard->demand, 0); /* one that came too late was for the process before */
    guard->ending_ns = 0;
    guard->exchanging = 0;
    guard->quiet = guard->excused_row = guard->disobeyed = 0;
}

/* ---- its end ---- */

/* The lock's word alone proves nothing: a mark beside a cycle thread that is not about to end is damage. */
static int ended(fs_guard *guard, uint64_t patience_ns) {
    if (fs_lock_died(fs_lock_word(&guard->store->rt_lock)) && fs_watched_thread_ends(&guard->watched)) return 1;
    return fs_watched_gone(&guard->watched, patience_ns);
}

static uint64_t observation_ns(const fs_guard *guard) {
    uint64_t cycle = guard->plan.cycle_time_ns;
    uint64_t least = guard->exchanging && !guard->ending_ns ? SHORTEST_OBSERVATION_NS : IDLE_BEAT_NS;
    return cycle > least ? cycle : least;
}

/* One observation: a cycle at least, or until the end of the cycle thread. A lock that is damaged gives no notice of
 * that, but the process's end does. */
static int observe(fs_guard *guard) {
    uint64_t patience = observation_ns(guard);
    int error = fs_lock_await(&guard->store->rt_lock, guard->rt_word, patience);
    return ended(guard, error == ETIMEDOUT ? 0 : patience);
}

static int has_lock(const fs_guard *guard) { return fs_lock_word(&guard->store->rt_lock) == guard->rt_word; }

/* RT says so after the guard's answer, or after it has waited for that in vain. */
static int let_go_in_order(const fs_guard *guard) {
    uint64_t token = fs_end_token(guard->plan.epoch, FS_END_RELEASED);
    return fs_load64(&guard->store->rt_end) == token && !has_lock(guard);
}

static void follow_end(fs_guard *guard, uint64_t now) {
    uint64_t epoch = guard->plan.epoch;
    if (!guard->ending_ns && fs_load64(&guard->store->rt_end) == fs_end_token(epoch, FS_END_ANNOUNCED))
        guard->ending_ns = now;
    if (guard->ending_ns) fs_set64(&guard->store->guard_end, fs_end_token(epoch, FS_END_ANSWERED));
}

/* ---- its life ---- */

static uint32_t most_excused(const fs_guard *guard) {
    uint64_t cycle_ns = guard->plan.cycle_time_ns;
    return cycle_ns ? (uint32_t)(EXCUSED_NS / cycle_ns) : 0;
}

/* Each call is one observation that lasted a cycle at least, so a stalled guard or machine counts as one. */
static int silent(fs_guard *guard) {
    uint64_t beat = fs_bus_beats(guard->store);
    guard->status.observations++;
    if (beat != guard->beat) {
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

/* From its first exchange to the announcement of its end. */
static int should_obey(fs_guard *guard) {
    const fs_rt_status *status = &guard->store->rt_status;
    if (fs_load64(&status->epoch) == guard->plan.epoch && fs_load64(&status->cycle) > 0) guard->exchanging = 1;
    return guard->exchanging && !guard->ending_ns;
}

static int ignores_estop(fs_guard *guard) {
    uint64_t latch = fs_estop_word(guard->store), seen = fs_load64(&guard->store->rt_status.estop_seen);
    if (!should_obey(guard) || latch == 0 || latch == seen) guard->disobeyed = 0;
    else guard->disobeyed++;
    return guard->disobeyed > CYCLES_TO_OBEY_ESTOP;
}

static int take_demand(fs_guard *guard) { return __atomic_exchange_n(&guard->demand, 0, __ATOMIC_ACQ_REL) != 0; }

/* Why a process that is still there must go; NONE: it is well. */
static uint32_t verdict(fs_guard *guard, uint64_t now) {
    if (silent(guard)) return has_lock(guard) ? FS_TRIP_SILENT : FS_TRIP_CORRUPT;
    uint64_t longest_end_ns = (uint64_t)guard->config.end_timeout_ms * 1000000u;
    if (guard->ending_ns && now - guard->ending_ns > longest_end_ns) return FS_TRIP_SILENT;
    return ignores_estop(guard) || take_demand(guard) ? FS_TRIP_ESTOP_IGNORED : FS_TRIP_NONE;
}

void fs_guard_watch(fs_guard *guard) {
    int over = observe(guard);
    uint64_t now = fs_now_ns();
    if (let_go_in_order(guard) || (over && fs_guard_another_has_it(guard))) {
        fs_guard_disarm(guard);
        return;
    }
    follow_end(guard, now);
    uint32_t cause = over ? (uint32_t)FS_TRIP_DEAD : verdict(guard, now);
    if (cause != FS_TRIP_NONE) fs_guard_trip(guard, cause, now);
    else fs_guard_publish(guard);
}

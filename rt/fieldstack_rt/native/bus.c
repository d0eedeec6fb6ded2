#define _GNU_SOURCE
#include "bus.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "lock.h"
#include "store.h"

static const uint64_t LOOK_NS = 200000;
static const uint64_t HIGHEST_EPOCH = UINT64_C(1) << 48; /* more than a cell has starts in its life: damage */

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). */
uint64_t fs_end_token(uint64_t epoch, uint32_t stage) {
    uint64_t mixed = epoch * 4 + stage + UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

uint64_t fs_bus_beats(const fs_store *store) { return fs_load64(&store->rt_beat) + fs_load64(&store->rt_idle_beat); }

void fs_bus_ask(fs_store *store, uint32_t pid) {
    fs_set32(&store->rt_claim_check, pid ? ~pid : 0);
    fs_set32(&store->rt_claim, pid);
}

int fs_bus_asked(const fs_store *store) {
    uint32_t pid = fs_load32(&store->rt_claim);
    if (pid == 0 || pid > INT32_MAX || fs_load32(&store->rt_claim_check) != ~pid) return 0;
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static int guard_has_it(const fs_store *store) {
    uint32_t state = fs_load32(&store->guard_status.state);
    return (state == FS_GUARD_ARMED || state == FS_GUARD_TRIPPED) && fs_lock_has_living_owner(&store->nonrt_lock);
}

static int somebody_has_it(const fs_store *store) {
    return fs_thread_lives(fs_load32(&store->header.rt_pid), fs_load32(&store->rt_tid)) || guard_has_it(store);
}

static int is_free(uint32_t word) { return word == 0 || fs_lock_died(word); }

int fs_bus_take(fs_store *store, uint32_t mine, uint64_t timeout_ns) {
    static const struct timespec rest = {0, (long)LOOK_NS};
    uint64_t until = fs_now_ns() + timeout_ns, beats = fs_bus_beats(store);
    do {
        uint32_t word = fs_lock_word(&store->rt_lock);
        if (is_free(word) && !somebody_has_it(store) && fs_lock_take(&store->rt_lock, word, mine)) return 0;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
    } while (fs_now_ns() < until);
    /* The kernel marks the lock of a thread that dies, and a living holder mends it: one that names nobody after all
     * this time is garbage that was left behind. */
    uint32_t word = fs_lock_word(&store->rt_lock);
    int left = !fs_lock_has_living_owner(&store->rt_lock) && !somebody_has_it(store) && beats == fs_bus_beats(store);
    return left && fs_lock_take(&store->rt_lock, word, mine) ? 0 : ETIMEDOUT;
}

static uint64_t higher(uint64_t epoch, uint64_t other) {
    return other < HIGHEST_EPOCH && other > epoch ? other : epoch;
}

uint64_t fs_bus_next_epoch(const fs_store *store) {
    uint64_t last = higher(0, fs_load64(&store->rt_epoch));
    last = higher(last, fs_load64(&store->rt_status.epoch));
    last = higher(last, fs_load64(&store->guard_plan.epoch));
    return higher(last, fs_load64(&store->guard_status.trip_epoch)) + 1;
}

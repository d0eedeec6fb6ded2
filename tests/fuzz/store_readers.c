/* Fuzzes those who read the shared memory: whatever stands in it, they refuse it or report it, and come back. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "agent.h"
#include "bus.h"
#include "lock.h"
#include "store.h"

enum { STEPS = 60, ATTEMPTS = 3 };

static fs_store *store;

static uint64_t *any_word(void) { return (uint64_t *)store + below(sizeof *store / 8); }

/* Words that many go by, and the indexes of the rings: random places would hardly ever hit them. */
static void damage_a_key_word(void) {
    uint64_t *const words[] = {&store->rt_beat,           &store->nonrt_beat,        &store->rt_epoch,
                               &store->cycle_events.head, &store->cycle_events.tail, &store->setpoints.head,
                               &store->setpoints.tail,    &store->rt_status_seq,     &store->start_seq,
                               &store->agent_timeout_ns,  &store->agent_slow_ns,     &store->statistics.sample_head};
    *words[below(sizeof words / sizeof *words)] = edge64();
    uint32_t *const halves[] = {&store->rt_lock.word,   &store->nonrt_lock.word, &store->rt_claim,
                                &store->rt_claim_check, &store->estop.on_reset,  &store->estop.on_recovery,
                                &store->reset_count,    &store->header.rt_pid};
    *halves[below(sizeof halves / sizeof *halves)] = (uint32_t)edge64();
}

static void damage_the_store(void) {
    if (one_in(10)) fill_any(store, sizeof *store);
    for (uint32_t left = below(30); left; left--) *any_word() = edge64();
    for (uint32_t left = below(4); left; left--) damage_a_key_word();
}

/* ---- readers ---- */

static void read_records(void) {
    static uint64_t record[sizeof(fs_checkpoint) / 8 + 4096];
    uint32_t block = below(FS_BLOCK_COUNT + 2);
    fs_header_is_whole(store);
    fs_identity_is_whole(store);
    require(fs_block_size(block) <= sizeof record, "a record fits its copy");
    int result = fs_block_read(store, block, record, ATTEMPTS);
    require(result == 0 || result == -1, "a record is read or reported");
    if (one_in(4)) fs_block_mend(store, block);
    require(block >= FS_BLOCK_COUNT || !one_in(4) || fs_block_mend(store, block) + fs_block_mend(store, block) < 2,
            "what was mended is whole");
    if (one_in(4)) fs_block_write(store, block, record);
    if (one_in(20)) fs_block_tear(store, block);
}

static void read_events(void) {
    fs_event event;
    int taken = 0;
    if (one_in(2)) fs_event_push(&store->cycle_events, any64(), 1, 2, 3, 4, 5);
    while (fs_event_pop(&store->cycle_events, &event)) taken++;
    require(taken <= FS_EVENT_SLOTS, "no more events than the ring holds");
    require(fs_event_pop(&store->cycle_events, &event) == 0, "a ring that was emptied is empty");
}

static void play_setpoints(void) {
    static fs_setpoint setpoint;
    fs_setpoint_ring *ring = &store->setpoints;
    uint32_t played = 0, free = fs_setpoint_free(ring);
    require(free <= FS_SETPOINT_SLOTS, "no more room than the ring has");
    fs_setpoint_push_many(ring, &setpoint, one_in(2));
    for (const fs_setpoint *next; (next = fs_setpoint_peek(ring)) && played <= 2 * FS_SETPOINT_SLOTS; played++) {
        require(next >= ring->slots && next < ring->slots + FS_SETPOINT_SLOTS, "a setpoint lies in the ring");
        const fs_setpoint *second = fs_setpoint_second(ring);
        require(!second || second != next, "the second is another one");
        fs_setpoint_drop(ring);
    }
    require(played <= FS_SETPOINT_SLOTS, "no more setpoints than the ring holds");
}

static void read_the_latch(void) {
    uint64_t before = fs_estop_word(store);
    fs_estop_mend(store, 1, any64());
    uint64_t after = fs_estop_word(store), sources = UINT64_C(0xFF000000FF);
    require((before & sources & ~after) == 0, "mending lifts no stop");
    require((after & ~sources) == 0, "after it only sources are latched");
    require(!fs_estop_mend(store, 1, any64()), "mended once is mended");
    fs_estop_raise(store, (uint32_t)edge64(), one_in(2), 1, any64(), "fuzz");
    require(fs_estop_word(store) != 0, "raised is raised");
    if (one_in(2)) fs_estop_clear(store, (uint32_t)any64(), one_in(2));
    uint32_t last = (uint32_t)any64(), count = fs_reset_count(store, last);
    fs_reset_ask(store);
    require(fs_reset_count(store, ~count) != count, "a reset that was asked for is another one");
}

static void ask_the_locks(void) {
    uint32_t mine = fs_lock_word_of((uint32_t)getpid()), word = fs_lock_word(&store->rt_lock);
    fs_lock_has_living_owner(&store->rt_lock);
    fs_lock_died(word);
    fs_bus_asked(store);
    fs_bus_beats(store);
    require(fs_bus_next_epoch(store) > 0, "an epoch is none that was");
    if (one_in(2) && fs_bus_take(store, mine, 0) == 0) require(fs_lock_word(&store->rt_lock) == mine, "taken is held");
    fs_lock_stamp(&store->rt_lock, mine);
    require(fs_lock_word(&store->rt_lock) == mine, "a stamped lock is its holder's");
    fs_lock_await(&store->nonrt_lock, fs_lock_word(&store->nonrt_lock), 1000);
    fs_lock_free(&store->rt_lock, mine);
    require(fs_lock_word(&store->rt_lock) == 0, "let go is free");
}

static void watch_the_peer(void) {
    fs_agent agent;
    fs_agent_settings defaults = {0};
    fs_agent_begin(&agent, store, &defaults, 1000000);
    for (uint32_t cycles = 1 + below(5); cycles; cycles--) {
        damage_a_key_word();
        fs_agent_look(&agent, store);
        require(agent.settings.slow_ns && agent.settings.timeout_ns && agent.settings.hold_at_most_ns,
                "no watch is off");
        require(fs_agent_stop(&agent) <= FS_STOP_ESTOP, "a stop that there is");
        uint32_t reaction = fs_agent_reaction_now(&agent);
        require(reaction == FS_AGENT_STOP || reaction == FS_AGENT_HOLD, "a reaction that there is");
    }
}

static void count_times(void) {
    fs_histogram *histogram = one_in(2) ? &store->statistics.wake : &store->statistics.exchange;
    for (int i = 0; i < 10; i++) fs_histogram_add(histogram, edge64());
    uint32_t bucket = 64 + below(FS_HISTOGRAM_BUCKETS - 64);
    require(fs_histogram_edge(bucket) > fs_histogram_edge(bucket - 1), "edges rise");
}

static void round_of(void) {
    static void (*const readers[])(void) = {read_records,  read_events,    play_setpoints, read_the_latch,
                                            ask_the_locks, watch_the_peer, count_times};
    store = aligned_alloc(64, (sizeof *store + 63) / 64 * 64);
    memset(store, 0, sizeof *store);
    fs_store_format(store, 1, 1);
    for (int step = 0; step < STEPS; step++) {
        damage_the_store();
        readers[below(sizeof readers / sizeof *readers)]();
    }
    free(store);
}

int main(int count, char **arguments) { return fuzz(count, arguments, round_of); }

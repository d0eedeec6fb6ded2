/* EMERGENCY_STOP: once raised it stays until it is cleared for its source, whatever is raised, cleared, mended and damaged
 * beside it: one stray word at a time lifts no stop. */
#define _GNU_SOURCE
#include "race_store.h"

enum { RAISERS = 3, DAMAGES = 4 };

static uint32_t may_clear[RAISERS]; /* by source: its raiser has seen enough */
static uint32_t damaged;            /* a word was, and is not mended yet */
static uint32_t mended;             /* so many were */

static bool seen(uint32_t source, bool on_reset) {
    return fs_estop_word(store) >> (on_reset ? source : source + 32) & 1;
}

/* A look that begins before one damage is mended and ends after the next may miss a stop; the next look has it. */
static bool latched(uint32_t source, bool on_reset) { return seen(source, on_reset) || seen(source, on_reset); }

static void raise_stops(runner *self) {
    uint32_t source = self->number;
    while (!over()) {
        bool on_reset = one_in(self, 2);
        fs_estop_raise(store, source, on_reset, (uint32_t)getpid(), fs_now_ns(), "race");
        for (uint32_t before = fs_load32(&mended); fs_load32(&mended) - before < DAMAGES && !over();) {
            require(latched(source, on_reset), "what is raised stays");
            stumble(self);
        }
        fs_set32(&may_clear[source], on_reset ? 1 : 2);
        while (fs_load32(&may_clear[source]) && !over()) sched_yield();
        self->done++;
    }
}

static void clear_what_may_be(void) {
    for (uint32_t source = 0; source < RAISERS; source++) {
        uint32_t kind = fs_load32(&may_clear[source]);
        if (!kind) continue;
        fs_estop_clear(store, 1u << source, kind == 1);
        require(!latched(source, kind == 1), "what is cleared is clear");
        fs_set32(&may_clear[source], 0);
    }
}

/* As the Non-RT process: only it clears, and it mends. */
static void supervise(runner *self) {
    for (; !over(); self->done++) {
        uint32_t found = fs_load32(&damaged);
        fs_estop_mend(store, (uint32_t)getpid(), fs_now_ns());
        if (found) {
            fs_add32(&mended, 1);
            fs_set32(&damaged, 0);
        }
        clear_what_may_be();
        stumble(self);
    }
}

static void damage_words(runner *self) {
    fs_estop *estop = &store->estop;
    uint32_t *const words[] = {&estop->on_reset, &estop->on_reset_too, &estop->on_recovery, &estop->on_recovery_too};
    while (!over()) {
        if (fs_load32(&damaged)) {
            sched_yield();
            continue;
        }
        fs_set32(words[any(self) % 4], 0);
        fs_set32(&damaged, 1);
        self->done++;
    }
}

int main(int count, char **arguments) {
    runner runners[RAISERS + 2] = {
        {.run = raise_stops}, {.run = raise_stops}, {.run = raise_stops}, {.run = supervise}, {.run = damage_words}};
    return race_on_a_store(count, arguments, runners, sizeof runners / sizeof *runners);
}

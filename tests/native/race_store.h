/* Races on a shared memory: one of this process alone. */
#ifndef FIELDSTACK_RACE_STORE_H
#define FIELDSTACK_RACE_STORE_H

#include "race.h"
#include "store.h"

static fs_store *store;

static int race_on_a_store(int count, char **arguments, runner *runners, uint32_t runner_count) {
    store = aligned_alloc(64, (sizeof *store + 63) / 64 * 64);
    memset(store, 0, sizeof *store);
    fs_store_format(store, (uint32_t)getpid(), clock_ns());
    int result = race(count, arguments, runners, runner_count);
    free(store);
    return result;
}

#endif

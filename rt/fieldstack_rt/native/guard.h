/* The guard: a thread of the Non-RT process that watches RT's cycle thread and, when it is dead or
 * silent, fences it and puts the outputs into their safe state itself. */
#ifndef FIELDSTACK_GUARD_H
#define FIELDSTACK_GUARD_H

#include <stdint.h>

#include "layout.h"

typedef struct fs_guard_config {
    int32_t cpu, priority;
    uint32_t threshold_cycles; /* observations without progress, each at least a cycle long */
    uint32_t fence_timeout_ms; /* how long a killed RT process may take to end; then that is told */
    uint32_t end_timeout_ms;   /* how long an orderly end may take, from its announcement to the release of the bus */
} fs_guard_config;

typedef struct fs_guard fs_guard;

int fs_guard_start(fs_store *store, const fs_guard_config *config, fs_guard **out);
void fs_guard_stop(fs_guard *guard);
/* eventfd, readable after: a trip, the confirmation of safe outputs, the release of the bus. */
int fs_guard_fd(const fs_guard *guard);
uint32_t fs_guard_degraded(const fs_guard *guard);
/* Its status as it has it itself, whatever stands in the shared memory: 0, or -1 (it was stopped while it wrote). */
int fs_guard_read(const fs_guard *guard, fs_guard_status *out);
/* Asks the guard to fence a living RT process at its next observation. */
void fs_guard_demand_trip(fs_guard *guard);

#endif

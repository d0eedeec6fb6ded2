/* Who has the bus: how an RT process asks for it, takes it, and lets go of it.
 *
 * No single word of the shared memory gives the bus to a second process, ends a trip, or switches the guard off.
 */
#ifndef FIELDSTACK_BUS_H
#define FIELDSTACK_BUS_H

#include <stdint.h>

#include "layout.h"

/* An orderly end of the RT process of this epoch, in shared words of their own: RT announces it (rt_end), the guard
 * answers (guard_end), RT frees rt_lock and says so (rt_end). */
enum fs_end_stage { FS_END_ANNOUNCED = 1, FS_END_ANSWERED, FS_END_RELEASED };
/* What stands in the word then: 64 bits, which nobody writes by accident. */
uint64_t fs_end_token(uint64_t epoch, uint32_t stage);

/* Beats of the cycle thread, with an exchange or without: what shows that it lives. */
uint64_t fs_bus_beats(const fs_store *store);

/* Asks whoever has the bus for it, in two words; pid 0 takes the request back. */
void fs_bus_ask(fs_store *store, uint32_t pid);
/* Whether a living process asks for it. */
int fs_bus_asked(const fs_store *store);
/* Takes rt_lock with the word `mine` once nobody has the bus: 0, or ETIMEDOUT.  Free is what is told so by the lock and
 * by its last owner's thread, and what no living guard watches or holds. */
int fs_bus_take(fs_store *store, uint32_t mine, uint64_t timeout_ns);
/* The epoch of the RT process that has just taken the bus: above all that were, as far as these make sense. */
uint64_t fs_bus_next_epoch(const fs_store *store);

#endif

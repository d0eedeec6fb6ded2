/* Locks in shared memory: one futex word each. TID | FUTEX_WAITERS of the thread that holds it; 0: free.
 *
 * The kernel marks the word of a thread that dies (FUTEX_OWNER_DIED, see set_robust_list(2)). The list that it walks then
 * is the holder's private memory, and only the word itself is shared: whatever stands in it, nothing is followed.  Any
 * value is legal.  A damaged word gives no notice and is written anew by its holder; it proves neither life nor death.
 */
#ifndef FIELDSTACK_LOCK_H
#define FIELDSTACK_LOCK_H

#include <stdint.h>

#include "layout.h"

/* For the kernel, of one thread: struct robust_list_head, and an entry for each lock that it may come to hold. */
typedef struct fs_lock_entry { uint64_t next, pad[7]; } fs_lock_entry;
typedef struct fs_enrolment {
    uint64_t first, offset, pending;
    fs_lock_entry entries[2];
} fs_enrolment;

/* From now on the kernel marks rt_lock and nonrt_lock at this thread's end, where its TID stands in them.  `mine` must
 * outlive the thread.  The C library's own list, for robust pthread mutexes, is replaced: such a thread may use none.
 * Returns the word with which this thread holds a lock. */
uint32_t fs_lock_enrol(fs_enrolment *mine, fs_store *store);

uint32_t fs_lock_word(const fs_lock *lock);
uint32_t fs_lock_word_of(uint32_t tid); /* while that thread holds it */
/* Exactly what the kernel leaves of a word that fs_lock_enrol returned. */
int fs_lock_died(uint32_t word);
/* Takes a lock that still has the word `seen`: 1 done. */
int fs_lock_take(fs_lock *lock, uint32_t seen, uint32_t mine);
/* For who holds it: writes the word anew where it was damaged; 1: it was. */
int fs_lock_stamp(fs_lock *lock, uint32_t mine);
/* For who holds it. A lock that another living thread has is left to that one. */
void fs_lock_free(fs_lock *lock, uint32_t mine);
/* Waits while the lock has the word `seen`, for one waiter alone (the kernel wakes one): 0, ETIMEDOUT, EAGAIN, EINTR. */
int fs_lock_await(const fs_lock *lock, uint32_t seen, uint64_t timeout_ns);
/* Whether a living thread's TID stands in it: never so for a free one, hardly ever for garbage. */
int fs_lock_has_living_owner(const fs_lock *lock);

int fs_thread_lives(uint32_t pid, uint32_t tid);

#endif

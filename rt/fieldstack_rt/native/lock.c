#define _GNU_SOURCE
#include "lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

_Static_assert(offsetof(fs_enrolment, entries) == sizeof(struct robust_list_head), "as the kernel reads it");
_Static_assert(sizeof(fs_lock_entry) == sizeof(fs_lock), "entries lie as far apart as the locks");
_Static_assert(offsetof(fs_store, nonrt_lock) == offsetof(fs_store, rt_lock) + sizeof(fs_lock), "side by side");

uint32_t fs_lock_enrol(fs_enrolment *mine, fs_store *store) {
    *mine = (fs_enrolment){0};
    mine->first = (uint64_t)(uintptr_t)&mine->entries[0];
    mine->entries[0].next = (uint64_t)(uintptr_t)&mine->entries[1];
    mine->entries[1].next = (uint64_t)(uintptr_t)mine; /* back at the head: the end */
    mine->offset = (uint64_t)((uintptr_t)&store->rt_lock - (uintptr_t)&mine->entries[0]);
    syscall(SYS_set_robust_list, mine, sizeof(struct robust_list_head));
    return fs_lock_word_of((uint32_t)syscall(SYS_gettid));
}

/* FUTEX_WAITERS always: the kernel wakes nobody without it. */
uint32_t fs_lock_word_of(uint32_t tid) { return tid | FUTEX_WAITERS; }

uint32_t fs_lock_word(const fs_lock *lock) { return fs_load32(&lock->word); }

int fs_lock_died(uint32_t word) { return word == (FUTEX_WAITERS | FUTEX_OWNER_DIED); }

int fs_lock_take(fs_lock *lock, uint32_t seen, uint32_t mine) {
    return __atomic_compare_exchange_n(&lock->word, &seen, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int fs_lock_stamp(fs_lock *lock, uint32_t mine) {
    if (fs_lock_word(lock) == mine) return 0;
    fs_set32(&lock->word, mine);
    return 1;
}

void fs_lock_free(fs_lock *lock, uint32_t mine) {
    if (fs_lock_word(lock) != mine && fs_lock_has_living_owner(lock)) return;
    fs_set32(&lock->word, 0);
    syscall(SYS_futex, &lock->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int fs_lock_await(const fs_lock *lock, uint32_t seen, uint64_t timeout_ns) {
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
    return syscall(SYS_futex, &lock->word, FUTEX_WAIT, seen, &timeout, NULL, 0) == 0 ? 0 : errno;
}

int fs_lock_has_living_owner(const fs_lock *lock) {
    pid_t owner = (pid_t)(fs_lock_word(lock) & FUTEX_TID_MASK);
    return owner != 0 && (syscall(SYS_tkill, owner, 0) == 0 || errno == EPERM);
}

int fs_thread_lives(uint32_t pid, uint32_t tid) {
    if (pid == 0 || tid == 0 || pid > INT_MAX || tid > INT_MAX) return 0;
    return syscall(SYS_tgkill, (pid_t)pid, (pid_t)tid, 0) == 0 || errno == EPERM;
}

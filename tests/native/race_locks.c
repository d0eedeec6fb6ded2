/* Locks and the bus: one holder at a time; a lock whose holder's thread has died is known for that, and taken on. */
#define _GNU_SOURCE
#include "race_store.h"

#include "bus.h"
#include "lock.h"

#include <errno.h>

enum { CONTENDERS = 4, LOOK_NS = 1000000 };

typedef struct guarded {
    uint32_t holders; /* atomic */
    uint64_t plain;   /* touched under the lock alone: the sanitizer sees it if that is not so */
} guarded;

static guarded life, bus;

static void enter(guarded *what) {
    require(__atomic_add_fetch(&what->holders, 1, __ATOMIC_RELAXED) == 1, "one holder");
}
static void leave(guarded *what) { __atomic_sub_fetch(&what->holders, 1, __ATOMIC_RELAXED); }

/* What `self` did under the lock; with `dies` it ends there, and the kernel tells those who wait. */
static void hold(runner *self, guarded *what, bool dies) {
    enter(what);
    if (!dies) what->plain++;
    stumble(self);
    leave(what);
    if (!dies) self->done++;
}

/* 1: the lock was taken, and its holder is to die with it. */
static bool contend_for_life(runner *self, uint32_t mine) {
    fs_lock *lock = &store->nonrt_lock;
    uint32_t word = fs_lock_word(lock);
    if (word != 0 && !fs_lock_died(word)) {
        fs_lock_await(lock, word, LOOK_NS);
        return false;
    }
    if (!fs_lock_take(lock, word, mine)) return false;
    bool dies = one_in(self, 20);
    hold(self, &life, dies);
    require(fs_lock_word(lock) == mine, "a held lock is its holder's");
    if (!dies) fs_lock_free(lock, mine);
    return dies;
}

/* As cycle_life.c begins and ends. */
static bool contend_for_the_bus(runner *self, uint32_t mine, uint32_t tid) {
    if (fs_bus_take(store, mine, LOOK_NS)) return false;
    fs_set32(&store->header.rt_pid, (uint32_t)getpid());
    fs_set32(&store->rt_tid, tid);
    bool dies = one_in(self, 20);
    hold(self, &bus, dies);
    if (dies) return true;
    fs_set32(&store->rt_tid, 0);
    fs_lock_free(&store->rt_lock, mine);
    return false;
}

static void *contender(void *argument) {
    runner *self = argument;
    fs_enrolment enrolment;
    uint32_t mine = fs_lock_enrol(&enrolment, store);
    for (bool dies = false; !dies && !over();)
        dies = one_in(self, 2) ? contend_for_life(self, mine) : contend_for_the_bus(self, mine, (uint32_t)gettid());
    return NULL;
}

/* Its contenders follow each other: each lives until it dies with a lock. */
static void contend(runner *self) {
    while (!over()) {
        pthread_t thread;
        require(pthread_create(&thread, NULL, contender, self) == 0, "a thread starts");
        pthread_join(thread, NULL);
    }
}

int main(int count, char **arguments) {
    runner runners[CONTENDERS] = {{.run = contend}, {.run = contend}, {.run = contend}, {.run = contend}};
    return race_on_a_store(count, arguments, runners, CONTENDERS);
}

/* What the races share: threads that run against each other on what they share, until the time is over.
 *
 * A race is called with SEED and SECONDS, and is built with ThreadSanitizer: it finds what two threads touch without
 * order between them, and each race checks that what it reads was written so. */
#ifndef FIELDSTACK_RACE_H
#define FIELDSTACK_RACE_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RUNNERS = 16 };

typedef struct runner {
    void (*run)(struct runner *);
    uint32_t number;
    uint64_t random; /* its own stream */
    uint64_t done;   /* what it has to show for itself */
    pthread_t thread;
} runner;

static uint64_t race_until_ns;

static inline uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline bool over(void) { return clock_ns() > race_until_ns; }

/* splitmix64, as in fuzz.h */
static inline uint64_t any(runner *self) {
    uint64_t mixed = self->random += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

static inline bool one_in(runner *self, uint32_t count) { return any(self) % count == 0; }

/* Lets others come in between, at times. */
static inline void stumble(runner *self) {
    if (one_in(self, 8)) sched_yield();
}

static inline void require(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static void *runner_thread(void *argument) {
    runner *self = argument;
    self->run(self);
    return NULL;
}

/* Runs them all at once; what each has done is added up in `done` of the first. */
static int race(int count, char **arguments, runner *runners, uint32_t runner_count) {
    if (count != 3) {
        fprintf(stderr, "usage: %s SEED SECONDS\n", arguments[0]);
        return 2;
    }
    race_until_ns = clock_ns() + strtoull(arguments[2], NULL, 10) * UINT64_C(1000000000);
    for (uint32_t i = 0; i < runner_count; i++) {
        runners[i].number = i;
        runners[i].random = strtoull(arguments[1], NULL, 10) * MOST_RUNNERS + i;
        require(pthread_create(&runners[i].thread, NULL, runner_thread, &runners[i]) == 0, "a thread starts");
    }
    for (uint32_t i = 0; i < runner_count; i++) pthread_join(runners[i].thread, NULL);
    for (uint32_t i = 0; i < runner_count; i++) {
        printf("%u: %llu  ", i, (unsigned long long)runners[i].done);
        require(runners[i].done > 0, "every thread came to something");
    }
    printf("\n");
    return 0;
}

#endif

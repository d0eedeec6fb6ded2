/* What the fuzzers share: a seeded stream of random numbers, and rounds until the time is over.
 *
 * A fuzzer is called with SEED and SECONDS. Each round has a seed of its own, SEED, SEED + 1, ...; the one that fails is
 * named, and `FUZZER SEED 0` plays it alone. A round that takes longer than FUZZ_PATIENCE_S is a hang, and fails. */
#ifndef FIELDSTACK_FUZZ_H
#define FIELDSTACK_FUZZ_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FUZZ_PATIENCE_S = 20 };

static uint64_t fuzz_state, fuzz_seed;
static const char *fuzz_name;

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). */
static uint64_t any64(void) {
    uint64_t mixed = fuzz_state += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

static inline uint32_t below(uint32_t bound) { return (uint32_t)(any64() % bound); }
static inline bool one_in(uint32_t count) { return below(count) == 0; }

/* Numbers at the edges of their range find more than those in its middle. */
static inline uint64_t edge64(void) {
    static const uint64_t edges[] = {0,         1, 7, 63, 64, 65, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, UINT64_C(1) << 63,
                                     UINT64_MAX};
    uint64_t edge = edges[below(sizeof edges / sizeof *edges)];
    return one_in(3) ? any64() : edge + below(3) - 1;
}

static inline void fill_any(void *at, size_t size) {
    uint8_t *to = at;
    for (uint64_t word; size >= sizeof word; size -= sizeof word, to += sizeof word) {
        word = any64();
        memcpy(to, &word, sizeof word);
    }
    while (size--) *to++ = (uint8_t)any64();
}

static inline void damage(uint8_t *at, size_t size) {
    for (uint32_t left = 1 + below(4); size && left; left--) at[any64() % size] = (uint8_t)any64();
}

static inline void require(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* The sanitizers ask for these: what they find ends with SIGABRT, and that names the seed. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void) { return "abort_on_error=1"; }
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

static void name_seed(void) {
    char text[128];
    int size = snprintf(text, sizeof text, "\nto play it again: %s %llu 0\n", fuzz_name, (unsigned long long)fuzz_seed);
    if (write(STDERR_FILENO, text, (size_t)size) < 0) return;
}

static void on_signal(int number) {
    static const char hang[] = "a round hangs\n";
    if (number == SIGALRM && write(STDERR_FILENO, hang, sizeof hang - 1) < 0) _exit(3);
    name_seed();
    _exit(number == SIGALRM ? 4 : 3);
}

static int fuzz(int count, char **arguments, void (*round)(void)) {
    if (count != 3) {
        fprintf(stderr, "usage: %s SEED SECONDS\n", arguments[0]);
        return 2;
    }
    fuzz_name = arguments[0];
    fuzz_seed = strtoull(arguments[1], NULL, 10);
    time_t until = time(NULL) + strtol(arguments[2], NULL, 10);
    uint64_t rounds = 0;
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
    do {
        fuzz_state = fuzz_seed;
        alarm(FUZZ_PATIENCE_S);
        round();
        rounds++;
        fuzz_seed++;
    } while (time(NULL) < until);
    printf("%llu rounds\n", (unsigned long long)rounds);
    return 0;
}

#endif

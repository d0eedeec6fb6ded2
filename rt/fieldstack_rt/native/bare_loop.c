#define _GNU_SOURCE
#include "bare_loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

#include "store.h"
#include "thread.h"

typedef int (*send_function)(void *context);
typedef int (*receive_function)(void *context, int timeout_us);

static void sleep_until(uint64_t at_ns) {
    struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

static uint32_t preemptions_so_far(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint32_t)usage.ru_nivcsw : 0;
}

static void exchange(const fs_bare_loop *loop, fs_bare_sample *sample) {
    void *context = (void *)(uintptr_t)loop->context;
    uint64_t start = fs_now_ns();
    ((send_function)(uintptr_t)loop->send)(context);
    int wkc = ((receive_function)(uintptr_t)loop->receive)(context, (int)loop->receive_timeout_us);
    sample->exchange_ns = (uint32_t)(fs_now_ns() - start);
    sample->wkc = wkc < 0 ? -1 : wkc;
}

static void keep(fs_bare_loop *loop, fs_bare_sample *sample) {
    uint64_t count = loop->count;
    if (count >= loop->capacity) return;
    sample->preemptions = preemptions_so_far();
    loop->samples[count] = *sample;
    fs_set64(&loop->count, count + 1);
}

void fs_bare_loop_run(fs_bare_loop *loop) {
    fs_thread_setup setup = {loop->cpu, loop->priority, 0};
    fs_thread_prepare(&setup);
    loop->degraded = setup.degraded;
    uint64_t period = loop->period_ns, due = (fs_now_ns() / period + 2) * period + loop->phase_ns;
    for (; !fs_load32(&loop->stop); due += period) {
        sleep_until(due);
        uint64_t now = fs_now_ns(), late = now > due ? now - due : 0;
        fs_bare_sample sample = {due, late > UINT32_MAX ? UINT32_MAX : (uint32_t)late, 0, -1, 0};
        if (loop->context) exchange(loop, &sample);
        keep(loop, &sample);
        due += late / period * period; /* go on in phase */
    }
}

void fs_bare_loop_stop(fs_bare_loop *loop) { fs_set32(&loop->stop, 1); }
uint64_t fs_bare_loop_count(const fs_bare_loop *loop) { return fs_load64(&loop->count); }

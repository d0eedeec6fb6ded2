#define _GNU_SOURCE
#include "thread.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "cycle.h"

#ifdef __SANITIZE_THREAD__ /* keeps its books on the thread's own stack */
enum { STACK_BYTES = 4096 * 1024, PREFAULT_BYTES = 128 * 1024 };
#else
enum { STACK_BYTES = 256 * 1024, PREFAULT_BYTES = 128 * 1024 };
#endif

/* All signals go to Python's main thread; a fault of the thread itself is still its own. */
int fs_thread_start(pthread_t *thread, void *(*body)(void *), void *argument) {
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, &attributes, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* Where the whole process may not be locked, so much often may: what is refused costs nothing. */
static void touch_stack(void) {
    volatile char page[PREFAULT_BYTES];
    for (int i = 0; i < PREFAULT_BYTES; i += 4096) page[i] = 0;
    mlock((const void *)page, sizeof page);
    (void)page;
}

void fs_thread_prepare(fs_thread_setup *setup) {
    touch_stack();
    if (setup->cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)setup->cpu, &cpus);
        if (pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus)) setup->degraded |= FS_DEGRADED_AFFINITY;
    }
    if (setup->priority > 0) {
        struct sched_param parameter = {.sched_priority = setup->priority};
        if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter)) setup->degraded |= FS_DEGRADED_SCHEDULER;
    }
}

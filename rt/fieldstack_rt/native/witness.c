#define _GNU_SOURCE
#include "witness.h"

#include <errno.h>
#include <string.h>

#include "store.h"

static void *witness_thread(void *argument) {
    fs_witness *witness = argument;
    fs_thread_prepare(&witness->setup);
    while (!fs_load32(&witness->stop)) {
        while (sem_wait(&witness->question) && errno == EINTR) {}
        fs_set32(&witness->answered, fs_load32(&witness->asked));
    }
    return NULL;
}

int fs_witness_start(fs_witness *witness, int32_t cpu, int32_t priority) {
    memset(witness, 0, sizeof *witness);
    witness->setup = (fs_thread_setup){cpu, priority, 0};
    if (sem_init(&witness->question, 0, 0)) return errno;
    int error = fs_thread_start(&witness->thread, witness_thread, witness);
    if (error) {
        sem_destroy(&witness->question);
        return error;
    }
    witness->running = 1;
    return 0;
}

void fs_witness_stop(fs_witness *witness) {
    if (!witness->running) return;
    fs_set32(&witness->stop, 1);
    sem_post(&witness->question);
    pthread_join(witness->thread, NULL);
    sem_destroy(&witness->question);
    witness->running = 0;
}

void fs_witness_ask(fs_witness *witness) {
    if (!witness->running) return;
    fs_set32(&witness->asked, witness->asked + 1);
    sem_post(&witness->question);
}

int fs_witness_answered(const fs_witness *witness) {
    return !witness->running || fs_load32(&witness->answered) == witness->asked;
}

/* The segment: the chain of ESCs, what disturbs it, and its frame thread. */
#ifndef FS_CHAIN_H
#define FS_CHAIN_H

#include <pthread.h>
#include "esc.h"

#define CHAIN_FRAME_BYTES 1518u
#define CHAIN_DELAYED 64u

typedef struct delayed_frame {
    int64_t due_ns; /* 0: free */
    int bytes;
    uint8_t data[CHAIN_FRAME_BYTES];
} delayed_frame;

typedef struct chain_faults {
    unsigned cut_after; /* slaves before the cut; FS_SEGMENT_SLAVES: whole */
    unsigned drop;
    unsigned delay;
    unsigned corrupt;
    int64_t delay_ns;
    unsigned waiting;
    delayed_frame delayed[CHAIN_DELAYED];
} chain_faults;

struct fs_segment {
    pthread_mutex_t lock;
    unsigned count;
    unsigned reach; /* slaves that frames get to */
    esc *slaves;
    chain_faults faults;
    fs_statistics statistics;
    int mailbox_fd;
    int stop_fd;
    int failed_fd;
    int socket;
    int running;
    int result; /* of the frame thread */
    int64_t step_ns;
    int64_t seen_ns;     /* newest time that a frame or a step brought */
    int64_t advanced_ns; /* up to when the devices were stepped */
    pthread_t thread;
};

static inline void chain_lock(fs_segment *segment) { pthread_mutex_lock(&segment->lock); }
static inline void chain_unlock(fs_segment *segment) { pthread_mutex_unlock(&segment->lock); }

/* The time for what happens now: the clock's, or without a frame thread the caller's own. */
static inline int64_t chain_now(const fs_segment *segment) {
    return segment->running || !segment->seen_ns ? fs_now_ns() : segment->seen_ns;
}

/* topology.c: after a change of power or cable. */
void topology_reload(fs_segment *segment);

/* datagram.c: one datagram through the chain; `at` is its command byte, the data follows its 10 bytes of header. */
void datagram_process(fs_segment *segment, uint8_t *at, uint32_t data_bytes, int64_t now_ns);

/* frame.c, with the lock held: as fs_segment_frame and fs_segment_advance. */
int frame_process(fs_segment *segment, uint8_t *frame, int bytes, int64_t now_ns);
void frame_advance(fs_segment *segment, int64_t now_ns);

/* faults.c: whether a frame stays away (drop), what the line does to it, and when its answer may leave (0: now). */
int faults_drop(fs_segment *segment);
int faults_corrupt(fs_segment *segment, uint8_t *frame, int bytes);
int faults_delay(fs_segment *segment, const uint8_t *frame, int bytes, int64_t now_ns);
int64_t faults_next_due(const fs_segment *segment);
int faults_take_due(fs_segment *segment, uint8_t *frame, int64_t now_ns);

/* frame_thread.c */
void *frame_thread(void *segment);

#endif

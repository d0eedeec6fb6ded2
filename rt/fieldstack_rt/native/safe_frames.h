/* The guard's EtherCAT frames: safe outputs, then SAFE-OP, then a look at what came of it, slave by slave.
 *
 * Image frames: LWR of a part of the safe output image; the last one also BWR of AL control (0x0120)
 * to SAFE-OP and BRD of AL status (0x0130).  Status frames: FPRD of AL status of each slave.  Frame
 * indexes 0x80 and up: SOEM uses 0 to 15 and ignores others.
 * Frame and datagram layout: ETG.1000.4, 5.3 and 5.4.
 */
#ifndef FIELDSTACK_SAFE_FRAMES_H
#define FIELDSTACK_SAFE_FRAMES_H

#include <stdint.h>

#include "layout.h"

enum {
    FS_IMAGE_FRAMES = 4,
    FS_STATUS_FRAMES = 2,
    FS_SAFE_FRAMES = FS_IMAGE_FRAMES + FS_STATUS_FRAMES,
    FS_SAFE_INDEX = 0x80,
    FS_SLAVES_A_FRAME = 100
};

typedef struct fs_safe_frames {
    int socket; /* AF_PACKET, sees only frames with FS_SAFE_INDEX and up */
    uint32_t count;
    uint32_t image_count; /* the first ones of them */
    uint32_t length[FS_SAFE_FRAMES];
    uint32_t lwr_size[FS_SAFE_FRAMES]; /* bytes of image in the frame, 0: none */
    uint8_t frame[FS_SAFE_FRAMES][1518];
    uint64_t epoch; /* of the plan */
    uint32_t slave_count;
    uint32_t expected_lwr_wkc;
} fs_safe_frames;

typedef struct fs_safe_answer {
    uint32_t answered;             /* bit a frame */
    int32_t lwr_wkc;               /* least of the frames' */
    int32_t al_wkc;                /* slaves that took the state request */
    uint32_t al_states;            /* AL status, OR-ed over the slaves */
    int32_t status_wkc;            /* slaves that told their AL status */
    uint32_t absent;               /* slaves that told none, and that RT had told lost before */
    uint16_t state[FS_MAX_SLAVES]; /* AL status by position; 0: not told */
} fs_safe_answer;

/* Opens the socket and builds the frames: 0 or an errno. */
int fs_safe_frames_open(fs_safe_frames *frames, const fs_guard_plan *plan);
void fs_safe_frames_close(fs_safe_frames *frames);
int fs_safe_frames_send(fs_safe_frames *frames);
/* Answers that have come so far are of no interest. */
void fs_safe_frames_forget(fs_safe_frames *frames);
/* Waits for the answers of the frames just sent, at most timeout_ns; 0: what has come. */
void fs_safe_frames_collect(fs_safe_frames *frames, uint64_t timeout_ns, fs_safe_answer *answer);
/* 1: the answers show that no slave is in OP, each by its own word but those that RT had told lost before
 * (`store->guard_losses`; damaged: none). Fills answer->absent. */
int fs_safe_answer_confirms(const fs_safe_frames *frames, fs_safe_answer *answer, const fs_store *store);

#endif

/* The guard's EtherCAT frames: safe outputs, then SAFE-OP, then a look at what came of it.
 *
 * Each frame: LWR of a part of the safe output image; the last one also BWR of AL control (0x0120)
 * to SAFE-OP and BRD of AL status (0x0130).  Frame indexes 0x80 and up: SOEM uses 0 to 15 and ignores others.
 * Frame and datagram layout: ETG.1000.4, 5.3 and 5.4.
 */
#ifndef FIELDSTACK_SAFE_FRAMES_H
#define FIELDSTACK_SAFE_FRAMES_H

#include <stdint.h>

#include "layout.h"

enum { FS_SAFE_FRAMES = 4, FS_SAFE_INDEX = 0x80 };

typedef struct fs_safe_frames {
    int socket;                    /* AF_PACKET, sees only frames with FS_SAFE_INDEX and up */
    uint32_t count;
    uint32_t length[4];
    uint32_t lwr_size[4];          /* bytes of image in the frame, 0: none */
    uint8_t frame[4][1518];
    uint32_t slave_count;
    uint32_t expected_lwr_wkc;
} fs_safe_frames;

typedef struct fs_safe_answer {
    uint32_t answered;             /* bit a frame */
    int32_t lwr_wkc;               /* least of the frames' */
    int32_t al_wkc;                /* slaves that took the state request */
    uint32_t al_states;            /* AL status, OR-ed over the slaves */
    int32_t status_wkc;            /* slaves that told their AL status */
} fs_safe_answer;

/* Opens the socket and builds the frames: 0 or an errno. */
int fs_safe_frames_open(fs_safe_frames *frames, const fs_guard_plan *plan);
void fs_safe_frames_close(fs_safe_frames *frames);
int fs_safe_frames_send(fs_safe_frames *frames);
/* Waits for the answers of the frames just sent, at most timeout_ns. */
void fs_safe_frames_collect(fs_safe_frames *frames, uint64_t timeout_ns, fs_safe_answer *answer);
/* 1: the answers show that no slave is in OP and that all that should have taken part did. */
int fs_safe_answer_confirms(const fs_safe_frames *frames, const fs_safe_answer *answer);

#endif

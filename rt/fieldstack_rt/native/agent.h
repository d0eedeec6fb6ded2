/* RT's HA agent: watches the Non-RT process from the cycle, and says what the axes must do without it.
 *
 * Never seen, slow, silent, dead and stopping are different facts.  Nothing here waits, calls the system or
 * follows a pointer out of the shared memory.
 */
#ifndef FIELDSTACK_AGENT_H
#define FIELDSTACK_AGENT_H

#include <stdint.h>

#include "layout.h"

/* Settings are taken from the shared words in each cycle; a word of 0 or out of these bounds leaves the default:
 * slow and timeout: a cycle to 60 s; grace: to an hour; go on: to 60 s; hold: a cycle to an hour, and no value
 * that switches it off; reactions: enum fs_agent_reaction.
 * The policy's schema (fieldstack/ha/policy) stays within them. */
enum fs_agent_word {
    FS_WORD_SLOW = 1,
    FS_WORD_TIMEOUT = 2,
    FS_WORD_GRACE = 4,
    FS_WORD_GO_ON = 8,
    FS_WORD_ON_SILENT = 16,
    FS_WORD_ON_DEAD = 32,
    FS_WORD_HOLD = 64
};

typedef struct fs_agent {
    fs_agent_settings defaults;
    uint64_t period_ns;
    fs_agent_settings settings; /* in force in this cycle */
    uint32_t damaged;           /* fs_agent_word bits that are out of bounds */
    uint32_t view;              /* enum fs_peer_view */
    uint64_t gap_ns;            /* without a beat: cycles that ran, so a stalled machine is no silent peer */
    uint64_t failed_ns;         /* since it is known to be silent or dead, likewise */
    uint64_t beat;
    uint32_t seen, dead, distrusted;
} fs_agent;

/* `defaults` with its zeros filled in. */
void fs_agent_begin(fs_agent *agent, const fs_store *store, const fs_agent_settings *defaults, uint64_t period_ns);
/* One look, once a cycle. */
void fs_agent_look(fs_agent *agent, const fs_store *store);
/* enum fs_stop: why the axes must stop, as far as the Non-RT process is concerned; NONE while they may go on. */
uint32_t fs_agent_stop(const fs_agent *agent);
/* enum fs_agent_reaction to the present view; STOP once axes have been held for as long as they may be. */
uint32_t fs_agent_reaction_now(const fs_agent *agent);
/* 1: without a beat for longer than axes may be held, whether it is dead, silent, going down or was never seen. */
int fs_agent_hold_over(const fs_agent *agent);

#endif

/* Access to the shared-memory contract: records, locks, rings, the latch.  No function allocates. */
#ifndef FIELDSTACK_STORE_H
#define FIELDSTACK_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define FS_MAGIC 0x4B4341545344464CULL /* "LFDSTACK" */

enum fs_layout_version { FS_LAYOUT_VERSION = 2 };

/* Names a record of fs_store, for the functions that copy one in or out. */
enum fs_block {
    FS_BLOCK_RT_STATUS,
    FS_BLOCK_RT_BUS,
    FS_BLOCK_GUARD_PLAN,
    FS_BLOCK_NONRT_STATUS,
    FS_BLOCK_GUARD_STATUS,
    FS_BLOCK_CHECKPOINT,
    FS_BLOCK_CORE_STATUS,
    FS_BLOCK_BUS_COMMAND,
    FS_BLOCK_START,
    FS_BLOCK_COUNT
};

/* Lays a new, zeroed segment out; the magic is stamped last. */
void fs_store_format(fs_store *store, uint32_t owner_pid, uint64_t now_ns);
/* Prefix and suffix as they have to be, for who knows that the segment is one of this layout. */
void fs_store_stamp(fs_store *store, uint64_t created_ns);
int fs_header_is_whole(const fs_store *store);
int fs_identity_is_whole(const fs_store *store);
uint64_t fs_store_size(void);
uint64_t fs_layout_hash(void);
uint64_t fs_now_ns(void);
uint32_t fs_checksum(const void *data, size_t size);

size_t fs_block_size(uint32_t block);
/* Copies a record out: 0, or -1 when no stable copy was had in `attempts` tries (writer died inside). */
int fs_block_read(const fs_store *store, uint32_t block, void *out, uint32_t attempts);
/* Copies a record in.  One writer a block; a sequence left odd by a writer that died is mended. */
void fs_block_write(fs_store *store, uint32_t block, const void *record);
/* For the owner of a block whose writer before died inside a write: empties it; 1: it was torn. */
int fs_block_mend(fs_store *store, uint32_t block);
/* The same for a record elsewhere, with a sequence of its own; `size`: whole 64-bit words. */
int fs_record_read(const uint64_t *seq, const void *record, void *out, size_t size, uint32_t attempts);
void fs_record_write(uint64_t *seq, void *record, const void *from, size_t size);
/* Word by word, each as a whole; `size`: whole 64-bit words. For records that others write meanwhile. */
void fs_copy_words(void *to, const void *from, size_t size);
/* Leaves the block as a writer that died inside a write would: for tests and fault injection only. */
void fs_block_tear(fs_store *store, uint32_t block);

/* Rings: 1 done, 0 full or empty. */
int fs_event_push(fs_event_ring *ring, uint64_t now_ns, uint32_t code, uint32_t subject, int64_t a, int64_t b,
                  int64_t c);
int fs_event_pop(fs_event_ring *ring, fs_event *out);
uint32_t fs_setpoint_free(const fs_setpoint_ring *ring);
int fs_setpoint_push(fs_setpoint_ring *ring, const fs_setpoint *setpoint);
uint32_t fs_setpoint_push_many(fs_setpoint_ring *ring, const fs_setpoint *setpoints, uint32_t count);
/* The consumer's look at the oldest setpoint, NULL if there is none; all of a ring with damaged indexes is void. */
const fs_setpoint *fs_setpoint_peek(fs_setpoint_ring *ring);
const fs_setpoint *fs_setpoint_second(fs_setpoint_ring *ring); /* the one behind it, NULL if there is none */
void fs_setpoint_drop(fs_setpoint_ring *ring);

/* EMERGENCY_STOP: the latch as one word, on_reset | on_recovery << 32, of both places where it stands. */
uint64_t fs_estop_word(const fs_store *store);
/* For Non-RT: makes both places say the same, and bits of no source one of FS_ESTOP_OTHER; 1: that was needed. */
int fs_estop_mend(fs_store *store, uint32_t pid, uint64_t now_ns);
void fs_estop_raise(fs_store *store, uint32_t source, int on_reset, uint32_t pid, uint64_t now_ns, const char *reason);
void fs_estop_clear(fs_store *store, uint32_t sources, int on_reset);

/* Asks RT for a fault reset of all axes. */
void fs_reset_ask(fs_store *store);
/* Resets that were asked for; `last` where that is damaged. */
uint32_t fs_reset_count(const fs_store *store, uint32_t last);

void fs_histogram_add(fs_histogram *histogram, uint64_t value_ns);
/* Lower edge of a bucket, ns. */
uint64_t fs_histogram_edge(uint32_t bucket);

/* Words of the store, by address: acquire loads and release stores. */
uint64_t fs_load64(const uint64_t *word);
uint32_t fs_load32(const uint32_t *word);
void fs_set64(uint64_t *word, uint64_t value);
void fs_set32(uint32_t *word, uint32_t value);
uint64_t fs_add64(uint64_t *word, uint64_t value);
uint32_t fs_add32(uint32_t *word, uint32_t value);

#endif

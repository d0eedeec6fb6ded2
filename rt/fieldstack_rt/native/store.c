#define _GNU_SOURCE
#include "store.h"

#include <string.h>
#include <time.h>

_Static_assert(offsetof(fs_store, identity) + sizeof(fs_identity) == sizeof(fs_store), "the suffix is the end");
_Static_assert(sizeof(fs_store) % 8 == 0, "records are copied in 64-bit words");
_Static_assert(FS_MAX_AXES == 64, "as many as a mask has bits");
_Static_assert(FS_SLAVE_WORDS * 64 >= FS_MAX_SLAVES, "a bit a slave");

#define RECORD(name) {offsetof(fs_store, name##_seq), offsetof(fs_store, name), sizeof(((fs_store *)0)->name)}

static const struct {
    size_t seq, record, size;
} blocks[FS_BLOCK_COUNT] = {
    [FS_BLOCK_RT_STATUS] = RECORD(rt_status),
    [FS_BLOCK_RT_BUS] = RECORD(rt_bus),
    [FS_BLOCK_GUARD_PLAN] = RECORD(guard_plan),
    [FS_BLOCK_NONRT_STATUS] = RECORD(nonrt_status),
    [FS_BLOCK_GUARD_STATUS] = RECORD(guard_status),
    [FS_BLOCK_CHECKPOINT] = RECORD(checkpoint),
    [FS_BLOCK_CORE_STATUS] = RECORD(core_status),
    [FS_BLOCK_BUS_COMMAND] = RECORD(bus_command),
    [FS_BLOCK_START] = RECORD(start),
};

#define CHECK_WORDS(name) _Static_assert(sizeof(((fs_store *)0)->name) % 8 == 0, #name " is not whole words")
CHECK_WORDS(rt_status);
CHECK_WORDS(rt_bus);
CHECK_WORDS(guard_plan);
CHECK_WORDS(nonrt_status);
CHECK_WORDS(guard_status);
CHECK_WORDS(checkpoint);
CHECK_WORDS(core_status);
CHECK_WORDS(bus_command);
CHECK_WORDS(start);
CHECK_WORDS(guard_losses[0]);

uint64_t fs_load64(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
uint32_t fs_load32(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
void fs_set64(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
void fs_set32(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
uint64_t fs_add64(uint64_t *word, uint64_t value) { return __atomic_add_fetch(word, value, __ATOMIC_ACQ_REL); }
uint32_t fs_add32(uint32_t *word, uint32_t value) { return __atomic_add_fetch(word, value, __ATOMIC_ACQ_REL); }

uint64_t fs_store_size(void) { return sizeof(fs_store); }
uint64_t fs_layout_hash(void) { return FS_LAYOUT_HASH; }

uint64_t fs_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* FNV-1a: finds torn and stray data, not malice. */
uint32_t fs_checksum(const void *data, size_t size) {
    const uint8_t *byte = data;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 16777619u;
    return hash;
}

void fs_store_format(fs_store *store, uint32_t owner_pid, uint64_t now_ns) {
    store->speed_override = 1000;
    store->header.owner_pid = owner_pid;
    store->reset_check = ~store->reset_count;
    fs_store_stamp(store, now_ns);
}

void fs_store_stamp(fs_store *store, uint64_t created_ns) {
    fs_header *header = &store->header;
    fs_identity *identity = &store->identity;
    fs_set64(&header->layout_hash, FS_LAYOUT_HASH);
    fs_set64(&header->size, sizeof(fs_store));
    fs_set64(&header->created_ns, created_ns);
    fs_set32(&header->layout_version, FS_LAYOUT_VERSION);
    fs_set64(&header->magic, FS_MAGIC);
    fs_set64(&identity->layout_hash, FS_LAYOUT_HASH);
    fs_set64(&identity->size, sizeof(fs_store));
    fs_set64(&identity->created_ns, created_ns);
    fs_set64(&identity->magic, FS_MAGIC);
}

int fs_header_is_whole(const fs_store *store) {
    const fs_header *header = &store->header;
    return fs_load64(&header->magic) == FS_MAGIC && fs_load64(&header->layout_hash) == FS_LAYOUT_HASH &&
           fs_load64(&header->size) == sizeof(fs_store) && fs_load32(&header->layout_version) == FS_LAYOUT_VERSION;
}

int fs_identity_is_whole(const fs_store *store) {
    const fs_identity *identity = &store->identity;
    return fs_load64(&identity->magic) == FS_MAGIC && fs_load64(&identity->layout_hash) == FS_LAYOUT_HASH &&
           fs_load64(&identity->size) == sizeof(fs_store);
}

/* An empty record says "never", to all its readers; half of an old one may be anything. */
int fs_block_mend(fs_store *store, uint32_t block) {
    if (block >= FS_BLOCK_COUNT) return 0;
    uint64_t *seq = (uint64_t *)((char *)store + blocks[block].seq);
    if (!(fs_load64(seq) & 1)) return 0;
    uint64_t *record = (uint64_t *)((char *)store + blocks[block].record);
    for (size_t i = 0; i < blocks[block].size / 8; i++) __atomic_store_n(&record[i], 0, __ATOMIC_RELAXED);
    fs_add64(seq, 1);
    return 1;
}

/* ---- records ---- */

void fs_copy_words(void *to, const void *from, size_t size) {
    uint64_t *into = to;
    const uint64_t *out_of = from;
    for (size_t i = 0; i < size / 8; i++)
        __atomic_store_n(&into[i], __atomic_load_n(&out_of[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

size_t fs_block_size(uint32_t block) { return block < FS_BLOCK_COUNT ? blocks[block].size : 0; }

int fs_record_read(const uint64_t *seq, const void *record, void *out, size_t size, uint32_t attempts) {
    while (attempts--) {
        uint64_t before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
        if (before & 1) continue;
        fs_copy_words(out, record, size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(seq, __ATOMIC_RELAXED) == before) return 0;
    }
    return -1;
}

static void begin_write(uint64_t *seq) {
    uint64_t odd = __atomic_load_n(seq, __ATOMIC_RELAXED) | 1; /* odd already: mends a dead writer's */
    __atomic_store_n(seq, odd, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

void fs_record_write(uint64_t *seq, void *record, const void *from, size_t size) {
    begin_write(seq);
    fs_copy_words(record, from, size);
    __atomic_store_n(seq, (__atomic_load_n(seq, __ATOMIC_RELAXED) | 1) + 1, __ATOMIC_RELEASE);
}

int fs_block_read(const fs_store *store, uint32_t block, void *out, uint32_t attempts) {
    if (block >= FS_BLOCK_COUNT) return -1;
    const uint64_t *seq = (const uint64_t *)((const char *)store + blocks[block].seq);
    return fs_record_read(seq, (const char *)store + blocks[block].record, out, blocks[block].size, attempts);
}

void fs_block_write(fs_store *store, uint32_t block, const void *record) {
    if (block >= FS_BLOCK_COUNT) return;
    uint64_t *seq = (uint64_t *)((char *)store + blocks[block].seq);
    fs_record_write(seq, (char *)store + blocks[block].record, record, blocks[block].size);
}

void fs_block_tear(fs_store *store, uint32_t block) {
    if (block < FS_BLOCK_COUNT) begin_write((uint64_t *)((char *)store + blocks[block].seq));
}

/* ---- rings ---- */

_Static_assert((FS_EVENT_SLOTS & (FS_EVENT_SLOTS - 1)) == 0, "a power of two");
_Static_assert((FS_SETPOINT_SLOTS & (FS_SETPOINT_SLOTS - 1)) == 0, "a power of two");

int fs_event_push(fs_event_ring *ring, uint64_t now_ns, uint32_t code, uint32_t subject, int64_t a, int64_t b,
                  int64_t c) {
    uint64_t head = ring->head;
    if (head - fs_load64(&ring->tail) >= FS_EVENT_SLOTS) {
        fs_set64(&ring->refused, ring->refused + 1);
        return 0;
    }
    fs_event *slot = &ring->slots[head % FS_EVENT_SLOTS];
    *slot = (fs_event){head + 1, now_ns, code, subject, a, b, c};
    fs_set64(&ring->head, head + 1);
    return 1;
}

int fs_event_pop(fs_event_ring *ring, fs_event *out) {
    uint64_t head = fs_load64(&ring->head), tail = ring->tail;
    if (head - tail > FS_EVENT_SLOTS) fs_set64(&ring->tail, tail = head); /* damaged: nothing old is told anew */
    while (tail != head) {
        *out = ring->slots[tail++ % FS_EVENT_SLOTS];
        fs_set64(&ring->tail, tail);
        if (out->sequence == tail) return 1; /* else it is not what was put there for this place */
    }
    return 0;
}

uint32_t fs_setpoint_free(const fs_setpoint_ring *ring) {
    uint64_t used = ring->head - fs_load64(&ring->tail);
    return used >= FS_SETPOINT_SLOTS ? 0 : (uint32_t)(FS_SETPOINT_SLOTS - used);
}

int fs_setpoint_push(fs_setpoint_ring *ring, const fs_setpoint *setpoint) {
    if (fs_setpoint_free(ring) == 0) return 0;
    uint64_t head = ring->head;
    fs_setpoint *slot = &ring->slots[head % FS_SETPOINT_SLOTS];
    *slot = *setpoint;
    slot->number = head;
    fs_set64(&ring->head, head + 1);
    return 1;
}

uint32_t fs_setpoint_push_many(fs_setpoint_ring *ring, const fs_setpoint *setpoints, uint32_t count) {
    uint32_t pushed = 0;
    while (pushed < count && fs_setpoint_push(ring, &setpoints[pushed])) pushed++;
    return pushed;
}

/* What a damaged head reaches beyond the last push is left over from an earlier round. */
static const fs_setpoint *pushed(const fs_setpoint_ring *ring, uint64_t number) {
    const fs_setpoint *slot = &ring->slots[number % FS_SETPOINT_SLOTS];
    return slot->number == number ? slot : NULL;
}

const fs_setpoint *fs_setpoint_peek(fs_setpoint_ring *ring) {
    uint64_t head = fs_load64(&ring->head), tail = ring->tail;
    const fs_setpoint *slot = head == tail ? NULL : pushed(ring, tail);
    if (head - tail > FS_SETPOINT_SLOTS || (head != tail && !slot)) { /* or it would stay full for ever */
        fs_set64(&ring->tail, head);
        return NULL;
    }
    return slot;
}

const fs_setpoint *fs_setpoint_second(fs_setpoint_ring *ring) {
    uint64_t tail = ring->tail;
    return fs_load64(&ring->head) - tail > 1 ? pushed(ring, tail + 1) : NULL;
}

void fs_setpoint_drop(fs_setpoint_ring *ring) { fs_set64(&ring->tail, ring->tail + 1); }

/* ---- EMERGENCY_STOP ---- */

uint64_t fs_estop_word(const fs_store *store) {
    const fs_estop *estop = &store->estop;
    uint32_t on_reset = fs_load32(&estop->on_reset) | fs_load32(&estop->on_reset_too);
    uint32_t on_recovery = fs_load32(&estop->on_recovery) | fs_load32(&estop->on_recovery_too);
    return (uint64_t)on_reset | (uint64_t)on_recovery << 32;
}

/* The reason is best effort, the latch is not: two writers of one source may lose one text. */
static void note_reason(fs_estop_note *note, uint32_t pid, uint64_t now_ns, const char *reason) {
    uint32_t nobody = 0;
    if (!__atomic_compare_exchange_n(&note->claim, &nobody, pid, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    note->t_ns = now_ns;
    note->pid = pid;
    strncpy(note->reason, reason ? reason : "", sizeof note->reason - 1);
    note->reason[sizeof note->reason - 1] = '\0';
    fs_set32(&note->claim, 0);
}

static void latch(fs_store *store, uint32_t bits, int on_reset) {
    fs_estop *estop = &store->estop;
    __atomic_fetch_or(on_reset ? &estop->on_reset : &estop->on_recovery, bits, __ATOMIC_ACQ_REL);
    __atomic_fetch_or(on_reset ? &estop->on_reset_too : &estop->on_recovery_too, bits, __ATOMIC_ACQ_REL);
}

void fs_estop_raise(fs_store *store, uint32_t source, int on_reset, uint32_t pid, uint64_t now_ns, const char *reason) {
    uint32_t bit = 1u << (source % 8);
    latch(store, bit, on_reset);
    note_reason(&store->estop.notes[source % 8], pid, now_ns, reason);
}

void fs_estop_clear(fs_store *store, uint32_t sources, int on_reset) {
    fs_estop *estop = &store->estop;
    __atomic_fetch_and(on_reset ? &estop->on_reset : &estop->on_recovery, ~sources, __ATOMIC_ACQ_REL);
    __atomic_fetch_and(on_reset ? &estop->on_reset_too : &estop->on_recovery_too, ~sources, __ATOMIC_ACQ_REL);
}

/* What differs only now may be a stop that is just being set: that is set twice, at worst. */
int fs_estop_mend(fs_store *store, uint32_t pid, uint64_t now_ns) {
    static const uint32_t SOURCES = 0xFF;
    const fs_estop *estop = &store->estop;
    uint32_t reset = fs_load32(&estop->on_reset), reset_too = fs_load32(&estop->on_reset_too);
    uint32_t recovery = fs_load32(&estop->on_recovery), recovery_too = fs_load32(&estop->on_recovery_too);
    uint32_t on_reset = reset | reset_too, on_recovery = recovery | recovery_too;
    uint32_t odd = (on_reset | on_recovery) & ~SOURCES;
    int differs = reset != reset_too || recovery != recovery_too;
    if (!odd && !differs) return 0;
    if (odd) fs_estop_raise(store, FS_ESTOP_OTHER, 1, pid, now_ns, "the latch in the shared memory was damaged");
    if (odd) fs_estop_clear(store, ~SOURCES, 1);
    if (odd) fs_estop_clear(store, ~SOURCES, 0);
    latch(store, on_reset & SOURCES, 1);
    latch(store, on_recovery & SOURCES, 0);
    return 1;
}

/* ---- reset of faults ---- */

void fs_reset_ask(fs_store *store) {
    uint32_t next = fs_load32(&store->reset_count) + 1;
    if (next == ~fs_load32(&store->reset_check))
        next++; /* one of both is damaged, and RT may know this number already */
    fs_set32(&store->reset_count, next);
    fs_set32(&store->reset_check, ~next);
}

uint32_t fs_reset_count(const fs_store *store, uint32_t last) {
    uint32_t count = fs_load32(&store->reset_count);
    return fs_load32(&store->reset_check) == ~count ? count : last;
}

/* ---- histograms ---- */

enum { LINEAR = 64, OCTAVE = 64 };

static uint32_t bucket_of(uint64_t value) {
    if (value < LINEAR) return (uint32_t)value;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(value); /* >= 6 */
    uint32_t bucket = (octave - 5) * OCTAVE + (uint32_t)((value >> (octave - 6)) & (OCTAVE - 1));
    return bucket < FS_HISTOGRAM_BUCKETS ? bucket : FS_HISTOGRAM_BUCKETS - 1;
}

uint64_t fs_histogram_edge(uint32_t bucket) {
    if (bucket < LINEAR) return bucket;
    uint32_t octave = bucket / OCTAVE + 5;
    return (1ull << octave) + ((uint64_t)(bucket % OCTAVE) << (octave - 6));
}

void fs_histogram_add(fs_histogram *histogram, uint64_t value_ns) {
    uint64_t *bucket = &histogram->bucket[bucket_of(value_ns)];
    __atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->sum_ns, histogram->sum_ns + value_ns, __ATOMIC_RELAXED);
    if (value_ns > histogram->max_ns) __atomic_store_n(&histogram->max_ns, value_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->count, histogram->count + 1, __ATOMIC_RELEASE);
}

/* Datagrams (ETG.1000.4, 5.4): every command, its addressing and its working counter. */
#include "chain.h"

enum command {
    NOP = 0,
    APRD = 1,
    APWR = 2,
    APRW = 3,
    FPRD = 4,
    FPWR = 5,
    FPRW = 6,
    BRD = 7,
    BWR = 8,
    BRW = 9,
    LRD = 10,
    LWR = 11,
    LRW = 12,
    ARMW = 13,
    FRMW = 14
};

enum addressing { NOWHERE, POSITION, STATION, BROADCAST, LOGICAL };

/* What a command does at a slave it addresses, and what a multiple write (ARMW, FRMW) does at all others. */
typedef struct behaviour {
    uint8_t addressing;
    uint8_t read;
    uint8_t write;
    uint8_t others_write;
} behaviour;

static const behaviour commands[] = {
    [NOP] = {NOWHERE, 0, 0, 0},   [APRD] = {POSITION, 1, 0, 0}, [APWR] = {POSITION, 0, 1, 0},
    [APRW] = {POSITION, 1, 1, 0}, [FPRD] = {STATION, 1, 0, 0},  [FPWR] = {STATION, 0, 1, 0},
    [FPRW] = {STATION, 1, 1, 0},  [BRD] = {BROADCAST, 1, 0, 0}, [BWR] = {BROADCAST, 0, 1, 0},
    [BRW] = {BROADCAST, 1, 1, 0}, [LRD] = {LOGICAL, 1, 0, 0},   [LWR] = {LOGICAL, 0, 1, 0},
    [LRW] = {LOGICAL, 1, 1, 0},   [ARMW] = {POSITION, 1, 0, 1}, [FRMW] = {STATION, 1, 0, 1},
};

enum { MAX_DATA = 2048 };

static int addressed(const esc *slave, const behaviour *how, uint16_t position) {
    const uint8_t *m = slave->memory;
    switch (how->addressing) {
    case POSITION: return position == 0;
    case BROADCAST: return 1;
    case STATION:
        if (position == get16(m + REG_STATION_ADDRESS)) return 1;
        return (m[REG_DL_CONTROL + 3] & 1) && position == get16(m + REG_STATION_ALIAS);
    default: return 0;
    }
}

/* Reads and writes swap: what is written is what came in, what goes out is what was there. Broadcast reads are or-ed. */
static unsigned access_physical(esc *slave, const behaviour *how, int is_addressed, uint16_t offset, uint8_t *data,
                                uint32_t bytes, int64_t now_ns) {
    uint8_t found[MAX_DATA];
    const int writes = is_addressed ? how->write : how->others_write;
    int was_read = 0, was_written = 0;
    if (is_addressed && how->read) {
        if (how->addressing == BROADCAST) memset(found, 0, bytes);
        else memcpy(found, data, bytes);
        was_read = esc_read(slave, offset, found, bytes, now_ns);
    }
    if (writes) was_written = esc_write(slave, offset, data, bytes, now_ns);
    if (was_read && how->addressing == BROADCAST)
        for (uint32_t i = 0; i < bytes; i++) data[i] |= found[i];
    else if (was_read) memcpy(data, found, bytes);
    if (was_read && how->write) return was_written ? 3 : 1;
    return (was_read || was_written) ? (how->read && how->write ? 2 : 1) : 0;
}

static unsigned pass_physical(fs_segment *segment, const behaviour *how, uint8_t *at, uint32_t bytes, int64_t now_ns) {
    unsigned working_counter = 0;
    uint16_t position = get16(at + 2);
    const uint16_t offset = get16(at + 4);
    const uint16_t increment = how->addressing == POSITION || how->addressing == BROADCAST;
    for (unsigned i = 0; i < segment->reach; i++) {
        esc *slave = &segment->slaves[i];
        const int is_addressed = addressed(slave, how, position);
        if (is_addressed || how->others_write)
            working_counter += access_physical(slave, how, is_addressed, offset, at + 10, bytes, now_ns);
        position = (uint16_t)(position + increment);
    }
    put16(at + 2, position);
    return working_counter;
}

static unsigned pass_logical(fs_segment *segment, const behaviour *how, uint8_t *at, uint32_t bytes, int64_t now_ns) {
    unsigned working_counter = 0;
    const uint32_t logical = get32(at + 2);
    const unsigned write_counts = how->read ? 2 : 1;
    for (unsigned i = 0; i < segment->reach; i++) {
        esc *slave = &segment->slaves[i];
        if (!slave->fmmu_count) continue;
        const int done = fmmu_access(slave, logical, at + 10, bytes, how->read, how->write, now_ns);
        working_counter += (done & 1 ? 1u : 0u) + (done & 2 ? write_counts : 0u);
    }
    return working_counter;
}

static unsigned events(const fs_segment *segment) {
    unsigned found = 0;
    for (unsigned i = 0; i < segment->reach; i++) {
        const uint8_t *m = segment->slaves[i].memory;
        found |= get16(m + REG_EVENT) & get16(m + REG_EVENT_MASK);
    }
    return found;
}

void datagram_process(fs_segment *segment, uint8_t *at, uint32_t data_bytes, int64_t now_ns) {
    if (at[0] >= sizeof commands / sizeof *commands || commands[at[0]].addressing == NOWHERE) return;
    const behaviour *how = &commands[at[0]];
    uint8_t *counter = at + 10 + data_bytes;
    const unsigned found = events(segment);
    const unsigned count = how->addressing == LOGICAL ? pass_logical(segment, how, at, data_bytes, now_ns)
                                                      : pass_physical(segment, how, at, data_bytes, now_ns);
    put16(at + 8, get16(at + 8) | found);
    put16(counter, get16(counter) + count);
}

/* FMMUs: the logical address space, mapped to physical memory in whole bytes or down to bits. */
#include "esc.h"

enum { TYPE_READ = 1, TYPE_WRITE = 2 };

void fmmu_reload(esc *slave) {
    slave->fmmu_count = 0;
    for (unsigned index = 0; index < ESC_FMMUS; index++) {
        const uint8_t *reg = slave->memory + REG_FMMU + 16 * index;
        esc_fmmu *fmmu = &slave->fmmus[slave->fmmu_count];
        const uint32_t first = get32(reg), length = get16(reg + 4);
        const uint32_t stop_bit = reg[7] & 7;
        fmmu->first = first;
        fmmu->end = first + length;
        fmmu->first_bit = reg[6] & 7;
        fmmu->physical = get16(reg + 8);
        fmmu->physical_bit = reg[10] & 7;
        fmmu->type = reg[11] & 3;
        if (!(reg[12] & 1) || !length || fmmu->end < first || !fmmu->type) continue;
        if (length == 1 && stop_bit < fmmu->first_bit) continue;
        fmmu->bits = 8 * (length - 1) + stop_bit + 1 - fmmu->first_bit;
        fmmu->whole_bytes = fmmu->first_bit == 0 && stop_bit == 7 && fmmu->physical_bit == 0;
        slave->fmmu_count++;
    }
}

static int get_bit(const uint8_t *data, uint32_t bit) { return data[bit >> 3] >> (bit & 7) & 1; }

static void set_bit(uint8_t *data, uint32_t bit, int value) {
    data[bit >> 3] = (uint8_t)((data[bit >> 3] & ~(1u << (bit & 7))) | ((unsigned)value << (bit & 7)));
}

static void move_bits(uint8_t *to, uint32_t to_bit, const uint8_t *from, uint32_t from_bit, uint32_t bits) {
    for (uint32_t i = 0; i < bits; i++) set_bit(to, to_bit + i, get_bit(from, from_bit + i));
}

/* The part of an FMMU that a datagram reaches: bits of the FMMU, and where they lie in datagram and memory. */
typedef struct overlap {
    uint32_t bits;
    uint32_t data_bit;
    uint32_t physical;
    uint32_t physical_bit;
    uint32_t physical_bytes;
} overlap;

static int find_overlap(const esc_fmmu *fmmu, uint32_t logical, uint32_t bytes, overlap *o) {
    /* 64 bit: a logical address counted in bits does not fit 32. */
    const uint64_t fmmu_first = (uint64_t)fmmu->first * 8 + fmmu->first_bit, fmmu_end = fmmu_first + fmmu->bits;
    const uint64_t data_first = (uint64_t)logical * 8, data_end = data_first + (uint64_t)bytes * 8;
    const uint64_t first = fmmu_first > data_first ? fmmu_first : data_first;
    const uint64_t end = fmmu_end < data_end ? fmmu_end : data_end;
    if (first >= end) return 0;
    const uint32_t physical_bit = fmmu->physical_bit + (uint32_t)(first - fmmu_first);
    o->bits = (uint32_t)(end - first);
    o->data_bit = (uint32_t)(first - data_first);
    o->physical = fmmu->physical + physical_bit / 8;
    o->physical_bit = physical_bit % 8;
    o->physical_bytes = (o->physical_bit + o->bits + 7) / 8;
    return o->physical + o->physical_bytes <= ESC_MEMORY_BYTES;
}

static int read_overlap(esc *slave, const esc_fmmu *fmmu, const overlap *o, uint8_t *data, int64_t now_ns) {
    if (fmmu->whole_bytes) return esc_read(slave, o->physical, data + o->data_bit / 8, o->physical_bytes, now_ns);
    uint8_t memory[ESC_MEMORY_BYTES / 4];
    if (o->physical_bytes > sizeof memory || !esc_read(slave, o->physical, memory, o->physical_bytes, now_ns)) return 0;
    move_bits(data, o->data_bit, memory, o->physical_bit, o->bits);
    return 1;
}

/* Bits that are not mapped keep their value: with sync managers that is what the buffer held before. */
static int write_overlap(esc *slave, const esc_fmmu *fmmu, const overlap *o, const uint8_t *data, int64_t now_ns) {
    if (fmmu->whole_bytes) return esc_write(slave, o->physical, data + o->data_bit / 8, o->physical_bytes, now_ns);
    uint8_t memory[ESC_MEMORY_BYTES / 4];
    if (o->physical_bytes > sizeof memory) return 0;
    memcpy(memory, slave->memory + o->physical, o->physical_bytes);
    move_bits(memory, o->physical_bit, data, o->data_bit, o->bits);
    return esc_write(slave, o->physical, memory, o->physical_bytes, now_ns);
}

/* An FMMU that both reads and writes exchanges: the master gets what was there before. */
static int exchange_overlap(esc *slave, const esc_fmmu *fmmu, const overlap *o, uint8_t *data, int64_t now_ns) {
    uint8_t incoming[ESC_MEMORY_BYTES / 4];
    const uint32_t first = o->data_bit / 8, bytes = (o->data_bit % 8 + o->bits + 7) / 8;
    if (bytes > sizeof incoming) return 0;
    memcpy(incoming, data + first, bytes);
    overlap from_incoming = *o;
    from_incoming.data_bit = o->data_bit % 8;
    const int was_read = read_overlap(slave, fmmu, o, data, now_ns);
    const int was_written = write_overlap(slave, fmmu, &from_incoming, incoming, now_ns);
    return (was_read ? 1 : 0) | (was_written ? 2 : 0);
}

/* Writes come first: where a read and a write FMMU share logical bytes, the slave takes the master's data and leaves its
 * own in its place. */
int fmmu_access(esc *slave, uint32_t logical, uint8_t *data, uint32_t bytes, int read, int write, int64_t now_ns) {
    int done = 0;
    overlap o;
    const unsigned count = slave->fmmu_count;
    for (unsigned i = 0; i < count && write; i++) {
        const esc_fmmu *fmmu = &slave->fmmus[i];
        if (!(fmmu->type & TYPE_WRITE) || !find_overlap(fmmu, logical, bytes, &o)) continue;
        if (read && (fmmu->type & TYPE_READ)) done |= exchange_overlap(slave, fmmu, &o, data, now_ns);
        else if (write_overlap(slave, fmmu, &o, data, now_ns)) done |= 2;
    }
    for (unsigned i = 0; i < count && read; i++) {
        const esc_fmmu *fmmu = &slave->fmmus[i];
        if (!(fmmu->type & TYPE_READ) || (write && (fmmu->type & TYPE_WRITE))) continue;
        if (find_overlap(fmmu, logical, bytes, &o) && read_overlap(slave, fmmu, &o, data, now_ns)) done |= 1;
    }
    return done;
}

/* Distributed clocks (ETG.1000.4; ESC register descriptions, registers 0x0900 to 0x09AF): each slave's own oscillator, the
 * local time that it counts, and the loop that makes its copy of the system time follow the reference clock. */
#include <errno.h>
#include "chain.h"

enum {
    DC_PORT_TIME = 0x0900, /* 4 bytes a port */
    DC_SYSTEM_TIME = 0x0910,
    DC_UNIT_TIME = 0x0918, /* 0x0900 of the processing unit, 64 bit */
    DC_OFFSET = 0x0920,
    DC_DELAY = 0x0928,
    DC_DIFFERENCE = 0x092C,
    DC_SPEED_START = 0x0930,
    DC_SPEED_DIFFERENCE = 0x0932,
    DC_DIFFERENCE_FILTER = 0x0934,
    DC_SPEED_FILTER = 0x0935,
    DC_ACTIVATION = 0x0981,
    DC_START_TIME = 0x0990,
    DC_SYNC0_CYCLE = 0x09A0
};

enum { ACTIVE = 1, SYNC0 = 2, SPEED_START = 0x1000, SPEED_LEAST = 0x7F, DIFFERENCE_FILTER = 4, SPEED_FILTER = 12 };

/* From one slave to the next: cable and forwarding. */
static const int64_t hop_ns = 500;
/* The loop settles in some 0.2 s at any cycle time: ppm a ns, and ppm a ns and second. */
static const double proportional = 0.02, integral = 0.1;
static const int64_t longest_gap_ns = 20000000; /* between two comparisons, as the integral sees it */

typedef struct field {
    uint16_t at;
    uint16_t end;
} field;

static const field writable[] = {
    {DC_OFFSET, DC_OFFSET + 8},
    {DC_DELAY, DC_DELAY + 4},
    {DC_SPEED_START, DC_SPEED_START + 2},
    {DC_DIFFERENCE_FILTER, DC_SPEED_FILTER + 1},
    {DC_ACTIVATION - 1, DC_ACTIVATION + 1},
    {DC_START_TIME, DC_START_TIME + 8},
    {DC_SYNC0_CYCLE, DC_SYNC0_CYCLE + 8},
};

static double clamp(double value, double limit) {
    if (value > limit) return limit;
    return value < -limit ? -limit : value;
}

static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

static void put64(uint8_t *p, uint64_t value) {
    put32(p, (uint32_t)value);
    put32(p + 4, (uint32_t)(value >> 32));
}

/* Moves the point from which the clock counts to `now_ns`. */
static void count_to(esc_clock *clock, int64_t now_ns) {
    const int64_t elapsed_ns = now_ns - clock->since_ns;
    const double gained = clock->part_ns + (double)elapsed_ns * (clock->drift_ppm + clock->correction_ppm) * 1e-6;
    int64_t whole = (int64_t)gained;
    if ((double)whole > gained) whole--;
    clock->local_ns += elapsed_ns + whole;
    clock->part_ns = gained - (double)whole;
    clock->since_ns = now_ns;
}

/* The local time when the frame that the segment got at `now_ns` comes past this slave. */
static int64_t local_time(esc *slave, int64_t now_ns) {
    count_to(&slave->clock, now_ns + slave->clock.forward_ns);
    return slave->clock.local_ns;
}

static uint64_t system_time(esc *slave, int64_t now_ns) {
    return (uint64_t)local_time(slave, now_ns) + get64(slave->memory + DC_OFFSET);
}

/* What the speed counter can correct at most: start and difference of it tell the rate. */
static double limit_ppm(const uint8_t *m) {
    const double start = get16(m + DC_SPEED_START), most = start - SPEED_LEAST;
    return most > 0 ? 1e6 * most / (5 * (start + most + 2) * (start - most + 2)) : 0;
}

static void steer(esc_clock *clock, double difference, double seconds, double limit) {
    const double wanted = -proportional * difference;
    /* Beyond its limit the loop only walks: integrating there would throw it past the mark. */
    if (wanted > -limit && wanted < limit)
        clock->integral_ppm = clamp(clock->integral_ppm - integral * difference * seconds, limit);
    clock->correction_ppm = clamp(clock->integral_ppm + wanted, limit);
}

/* The reference's system time came past: compare, filter, steer. */
static void compare(esc *slave, uint32_t received, int64_t now_ns) {
    esc_clock *clock = &slave->clock;
    const uint8_t *m = slave->memory;
    const uint32_t own = (uint32_t)system_time(slave, now_ns) - get32(m + DC_DELAY);
    const double difference = (double)(int32_t)(own - received);
    const double share = 1.0 / (double)(1u << (m[DC_DIFFERENCE_FILTER] & 15));
    int64_t gap_ns = now_ns - clock->compared_ns;
    if (!clock->compared_ns || gap_ns < 0) gap_ns = 0;
    if (gap_ns > longest_gap_ns) gap_ns = longest_gap_ns;
    clock->mean_ns = clock->compared_ns ? clock->mean_ns + (difference - clock->mean_ns) * share : difference;
    clock->compared_ns = now_ns;
    if (clock->stray) clock->correction_ppm = 0;
    else steer(clock, difference, (double)gap_ns * 1e-9, limit_ppm(m));
}

static void forget(esc_clock *clock) {
    clock->mean_ns = clock->integral_ppm = clock->correction_ppm = 0;
    clock->compared_ns = 0;
}

static void latch(esc *slave, int64_t now_ns) {
    uint8_t *m = slave->memory;
    const uint64_t local = (uint64_t)local_time(slave, now_ns);
    put32(m + DC_PORT_TIME, (uint32_t)local);
    if (slave->clock.return_ns) put32(m + DC_PORT_TIME + 4, (uint32_t)local + (uint32_t)slave->clock.return_ns);
    put64(m + DC_UNIT_TIME, local);
}

/* Sign and magnitude: bit 31 set, if the own time is behind the reference's. */
static uint32_t difference_word(double mean) {
    const double magnitude = mean < 0 ? -mean : mean;
    const uint32_t value = magnitude < 2147483647.0 ? (uint32_t)(magnitude + 0.5) : 0x7FFFFFFFu;
    return mean < 0 && value ? value | 0x80000000u : value;
}

/* The rate in steps of the speed counter; near zero the two are proportional, and here they are everywhere. */
static int speed_difference(const uint8_t *m, double ppm) {
    const double start = get16(m + DC_SPEED_START);
    return (int)clamp(ppm * 5e-6 * (start + 2) * (start + 2), start > SPEED_LEAST ? start - SPEED_LEAST : 0);
}

static int pulses(const uint8_t *m) {
    return (m[DC_ACTIVATION] & (ACTIVE | SYNC0)) == (ACTIVE | SYNC0) && get32(m + DC_SYNC0_CYCLE);
}

/* 0x0990 is when the next pulse comes. */
static void next_pulse(uint8_t *m, uint64_t now) {
    const uint64_t start = get64(m + DC_START_TIME), cycle = get32(m + DC_SYNC0_CYCLE);
    if (now > start) put64(m + DC_START_TIME, start + ((now - start) / cycle + 1) * cycle);
}

void clock_refresh(esc *slave, int64_t now_ns) {
    uint8_t *m = slave->memory;
    if (!slave->clock.present) return;
    const uint64_t now = system_time(slave, now_ns);
    put64(m + DC_SYSTEM_TIME, now);
    put32(m + DC_DIFFERENCE, difference_word(slave->clock.mean_ns));
    put16(m + DC_SPEED_DIFFERENCE, (unsigned)speed_difference(m, slave->clock.correction_ppm));
    if (pulses(m)) next_pulse(m, now);
}

static int covers(uint32_t address, uint32_t bytes, uint32_t at, uint32_t size) {
    return address <= at && address + bytes >= at + size;
}

int clock_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns) {
    int done = 0;
    if (!slave->clock.present) return 0;
    if (address < DC_PORT_TIME + 4u) {
        latch(slave, now_ns);
        done = 1;
    }
    if (covers(address, bytes, DC_SYSTEM_TIME, 4)) {
        compare(slave, get32(data + (DC_SYSTEM_TIME - address)), now_ns);
        done = 1;
    }
    for (size_t i = 0; i < sizeof writable / sizeof *writable; i++)
        done |= registers_copy(slave, address, data, bytes, writable[i].at, writable[i].end);
    if (address < DC_SPEED_START + 2u && address + bytes > DC_SPEED_START) {
        count_to(&slave->clock, now_ns + slave->clock.forward_ns);
        forget(&slave->clock);
    }
    return done;
}

/* Local time begins at 0 with power; what is wrong with the oscillator and the loop stays. */
void clock_power_on(esc *slave, int64_t now_ns) {
    esc_clock *clock = &slave->clock;
    uint8_t *m = slave->memory;
    if (!clock->present) return;
    forget(clock);
    clock->local_ns = 0;
    clock->part_ns = 0;
    clock->since_ns = now_ns + clock->forward_ns;
    put16(m + DC_SPEED_START, SPEED_START);
    m[DC_DIFFERENCE_FILTER] = DIFFERENCE_FILTER;
    m[DC_SPEED_FILTER] = SPEED_FILTER;
}

void clock_place(esc *slave, unsigned index, unsigned reach) {
    slave->clock.forward_ns = hop_ns * index;
    slave->clock.return_ns = index + 1 < reach ? 2 * hop_ns * (reach - 1 - index) : 0;
}

int64_t clock_truth(esc *slave, int64_t now_ns) {
    return slave->clock.present && slave->powered ? (int64_t)system_time(slave, now_ns - slave->clock.forward_ns) : 0;
}

int fs_segment_set_clock(fs_segment *segment, unsigned slave, int present) {
    if (slave >= segment->count) return -ERANGE;
    chain_lock(segment);
    segment->slaves[slave].clock.present = present != 0;
    chain_unlock(segment);
    return 0;
}

static int clock_of(fs_segment *segment, unsigned slave, esc_clock **clock) {
    if (slave >= segment->count) return -ERANGE;
    *clock = &segment->slaves[slave].clock;
    return (*clock)->present ? 0 : -ENODEV;
}

int fs_segment_clock_drift(fs_segment *segment, unsigned slave, double ppm) {
    esc_clock *clock;
    const int error = clock_of(segment, slave, &clock);
    if (error) return error;
    if (!(ppm >= -1000 && ppm <= 1000)) return -EINVAL;
    chain_lock(segment);
    count_to(clock, chain_now(segment) + clock->forward_ns);
    clock->drift_ppm = ppm;
    chain_unlock(segment);
    return 0;
}

int fs_segment_clock_lose(fs_segment *segment, unsigned slave, int lost) {
    esc_clock *clock;
    const int error = clock_of(segment, slave, &clock);
    if (error) return error;
    chain_lock(segment);
    clock->stray = lost != 0;
    chain_unlock(segment);
    return 0;
}

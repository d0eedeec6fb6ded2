/* Fuzzes the virtual segment: whatever a master sends and whatever the bench orders, the chain stays within its memory,
 * and a frame comes back as long as it went in, or not at all. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "esc.h"

enum {
    MOST_SLAVES = 5,
    STEPS = 150,
    HEADER = 16,
    DATAGRAM = 12,
    FRAME_ROOM = 1518,
    RX_FIRST = 0x1100,
    TX_FIRST = 0x1400
};

typedef struct bench {
    fs_segment *segment;
    unsigned slaves;
    unsigned bytes[MOST_SLAVES][2]; /* of the mapping, by direction */
    int64_t now_ns;
} bench;

static unsigned any_slave(const bench *b) { return below(b->slaves + (uint32_t)one_in(20)); }

/* ---- devices ---- */

static void map_drive(bench *b, unsigned slave, fs_drive *d) {
    const fs_map_entry rx[] = {{&d->controlword, 16},     {&d->modes_of_operation, 8}, {NULL, 8},
                               {&d->target_position, 32}, {&d->target_velocity, 32},   {&d->position_offset, 32},
                               {&d->velocity_offset, 32}};
    const fs_map_entry tx[] = {{&d->statusword, 16},      {&d->modes_of_operation_display, 8}, {NULL, 8},
                               {&d->position_actual, 32}, {&d->velocity_actual, 32},           {&d->torque_actual, 16}};
    const fs_map_entry *maps[2] = {rx, tx};
    const unsigned most[2] = {sizeof rx / sizeof *rx, sizeof tx / sizeof *tx};
    for (int direction = 0; direction < 2; direction++) {
        unsigned count = one_in(3) ? below(most[direction] + 1) : most[direction], bits = 0;
        for (unsigned i = 0; i < count; i++) bits += maps[direction][i].bits;
        if (!fs_segment_set_mapping(b->segment, slave, direction, maps[direction], count))
            b->bytes[slave][direction] = (bits + 7) / 8;
    }
}

static void map_dio(bench *b, unsigned slave, fs_dio *d) {
    uint8_t *channels[2] = {d->outputs, d->inputs};
    for (int direction = 0; direction < 2; direction++) {
        fs_map_entry entries[8];
        unsigned count = below(9);
        for (unsigned i = 0; i < count; i++) entries[i] = (fs_map_entry){&channels[direction][i], 1};
        if (!fs_segment_set_mapping(b->segment, slave, direction, entries, count))
            b->bytes[slave][direction] = (count + 7) / 8;
    }
}

static void map(bench *b, unsigned slave) {
    fs_truth truth;
    void *device = fs_segment_device(b->segment, slave);
    if (!device || fs_segment_truth(b->segment, slave, &truth)) return;
    if (truth.device_kind == FS_DEVICE_DRIVE) map_drive(b, slave, device);
    else map_dio(b, slave, device);
}

/* Within the limits of the object dictionary. */
static void set_objects(fs_drive *d) {
    d->max_motor_speed = 1 + below(6000);
    d->profile_deceleration = (uint32_t)edge64() | 1;
    d->quick_stop_deceleration = (uint32_t)edge64() | 1;
    d->interpolation_time_value = (uint8_t)(1 + below(255));
    d->interpolation_time_index = (int8_t)-below(7);
    d->software_position_limit_min = (int32_t)edge64();
    d->software_position_limit_max = (int32_t)edge64();
    d->following_error_window = (uint32_t)edge64();
    d->quick_stop_option_code = (int16_t)below(8);
    d->fault_reaction_option = (int16_t)below(4);
    d->max_torque = (uint16_t)below(3001);
    d->velocity_feed_forward = (uint16_t)below(2001);
}

static bench set_up(void) {
    static uint8_t eeprom[FS_SEGMENT_EEPROM_BYTES];
    bench b = {.slaves = 1 + below(MOST_SLAVES), .now_ns = 1000000000};
    b.segment = fs_segment_create(b.slaves);
    require(b.segment != NULL, "the segment is made");
    fs_segment_advance(b.segment, b.now_ns);
    for (unsigned i = 0; i < b.slaves; i++) {
        fs_segment_set_device(b.segment, i, (int)below(3));
        fill_any(eeprom, sizeof eeprom);
        fs_segment_set_eeprom(b.segment, i, eeprom, below(sizeof eeprom + 1));
        fs_segment_set_clock(b.segment, i, one_in(2));
        fs_segment_set_watchdog_default(b.segment, i, below(2000));
        map(&b, i);
        fs_segment_power(b.segment, i, 1);
    }
    return b;
}

/* ---- frames ---- */

typedef struct frame {
    uint8_t bytes[FRAME_ROOM];
    uint32_t end, last; /* of the datagrams */
} frame;

static void begin(frame *f) {
    memset(f->bytes, 0xFF, 12);
    f->bytes[12] = 0x88;
    f->bytes[13] = 0xA4;
    f->end = HEADER;
    f->last = 0;
}

static uint8_t *add(frame *f, unsigned command, uint32_t address, uint32_t size) {
    if (f->end + DATAGRAM + size > FRAME_ROOM) return NULL;
    if (f->last) put16(f->bytes + f->last + 6, get16(f->bytes + f->last + 6) | 0x8000u);
    f->last = f->end;
    uint8_t *at = f->bytes + f->end;
    memset(at, 0, DATAGRAM + size);
    at[0] = (uint8_t)command;
    put32(at + 2, address);
    put16(at + 6, size);
    f->end += DATAGRAM + size;
    return at + 10;
}

/* From memory of its own, just as long: the sanitizer sees what is touched beside it. */
static void send_bytes(bench *b, const uint8_t *bytes, uint32_t size) {
    uint8_t *sent = malloc(size ? size : 1);
    memcpy(sent, bytes, size);
    int back = fs_segment_frame(b->segment, sent, (int)size, b->now_ns);
    require(back == 0 || back == (int)size, "a frame comes back as long as it was, or not at all");
    free(sent);
}

static void send_frame(bench *b, frame *f) {
    put16(f->bytes + 14, (f->end - HEADER) | 0x1000u);
    uint32_t size = f->end < 60 ? 60 : f->end;
    if (size > f->end) memset(f->bytes + f->end, 0, size - f->end);
    if (one_in(6)) damage(f->bytes, size);
    if (one_in(12)) size = below(size + 1);
    send_bytes(b, f->bytes, size);
}

static void write_to(bench *b, unsigned slave, uint16_t offset, const uint8_t *data, uint32_t size) {
    frame f;
    begin(&f);
    uint8_t *at = add(&f, 2, (uint32_t)(uint16_t)-slave | (uint32_t)offset << 16, size);
    if (at) memcpy(at, data, size);
    send_frame(b, &f);
}

static void write_sm(bench *b, unsigned slave, unsigned index, unsigned start, unsigned length, unsigned control) {
    uint8_t registers[8] = {0};
    put16(registers, start);
    put16(registers + 2, length);
    registers[4] = (uint8_t)control;
    registers[6] = (uint8_t)(length && !one_in(10));
    write_to(b, slave, (uint16_t)(REG_SM + 8 * index), registers, sizeof registers);
}

static void write_fmmu(bench *b, unsigned slave, unsigned index, uint32_t logical, unsigned bytes, unsigned start,
                       unsigned type) {
    uint8_t registers[16] = {0};
    put32(registers, logical);
    put16(registers + 4, bytes);
    registers[6] = (uint8_t)(one_in(4) ? below(8) : 0);
    registers[7] = (uint8_t)(one_in(4) ? below(8) : 7);
    put16(registers + 8, start);
    registers[10] = (uint8_t)(one_in(4) ? below(8) : 0);
    registers[11] = (uint8_t)type;
    registers[12] = (uint8_t)!one_in(10);
    write_to(b, slave, (uint16_t)(REG_FMMU + 16 * index), registers, sizeof registers);
}

static void request(bench *b, unsigned slave, unsigned state) {
    uint8_t control[2] = {(uint8_t)state, 0};
    write_to(b, slave, REG_AL_CONTROL, control, 2);
}

/* As a master does it, with a slip now and then. */
static void bring_up(bench *b, unsigned slave) {
    unsigned rx = slave < b->slaves ? b->bytes[slave][0] : 4, tx = slave < b->slaves ? b->bytes[slave][1] : 4;
    request(b, slave, AL_INIT | AL_ERROR);
    write_sm(b, slave, 0, 0x1000, 128, 0x26);
    write_sm(b, slave, 1, 0x1080, 128, 0x22);
    request(b, slave, AL_PREOP);
    write_sm(b, slave, 2, RX_FIRST, rx, 0x64);
    write_sm(b, slave, 3, TX_FIRST, tx, 0x20);
    write_fmmu(b, slave, 0, 64 * slave, rx, RX_FIRST, 2);
    write_fmmu(b, slave, 1, one_in(2) ? 64 * slave : 0x400 + 64 * slave, tx, TX_FIRST, 1);
    request(b, slave, AL_SAFEOP);
    request(b, slave, AL_OP);
}

static uint16_t any_offset(void) {
    static const uint16_t known[] = {REG_TYPE,
                                     REG_STATION_ADDRESS,
                                     REG_DL_CONTROL,
                                     REG_AL_CONTROL,
                                     REG_AL_STATUS,
                                     REG_EVENT_MASK,
                                     REG_RX_ERROR,
                                     REG_LOST_LINK,
                                     REG_WATCHDOG_DIVIDER,
                                     REG_WATCHDOG_PROCESS_DATA,
                                     REG_WATCHDOG_COUNTER,
                                     REG_EEPROM_CONFIG,
                                     REG_EEPROM_CONTROL,
                                     REG_EEPROM_ADDRESS,
                                     REG_EEPROM_DATA,
                                     REG_FMMU,
                                     REG_FMMU + 16,
                                     REG_SM,
                                     REG_SM + 8,
                                     REG_SM + 16,
                                     REG_SM + 24,
                                     REG_DC,
                                     0x0910,
                                     0x0920,
                                     0x0930,
                                     0x0980,
                                     0x0990,
                                     0x09A0,
                                     REG_USER_RAM,
                                     0x1000,
                                     0x1080,
                                     RX_FIRST,
                                     TX_FIRST,
                                     0x2FF0};
    uint16_t offset = known[below(sizeof known / sizeof *known)];
    return (uint16_t)(one_in(4) ? any64() : (uint64_t)offset + below(3) - below(3));
}

static uint32_t any_address(const bench *b, unsigned command) {
    if (command >= 10 && command <= 12) return one_in(5) ? (uint32_t)edge64() : below(0x600);
    uint16_t position = (uint16_t)(one_in(8) ? any64() : (uint64_t)0 - below(b->slaves + 1));
    return position | (uint32_t)any_offset() << 16;
}

static void exchange(bench *b) {
    frame f;
    begin(&f);
    for (uint32_t left = 1 + below(6); left; left--) {
        unsigned command = one_in(3) ? 12 : below(16);
        uint32_t size = one_in(3) ? 64 * (1 + below(5)) : below(140);
        uint8_t *at = add(&f, command, any_address(b, command), size);
        if (!at) continue;
        fill_any(at, size);
        if (command == 12 && size > 2 && one_in(2)) put16(at, (uint32_t[]){0x06, 0x07, 0x0F, 0x80, 0x02, 0}[below(6)]);
    }
    send_frame(b, &f);
}

static void noise(bench *b) {
    uint8_t bytes[FRAME_ROOM];
    uint32_t size = below(FRAME_ROOM + 1);
    fill_any(bytes, size);
    if (size > 16 && one_in(2)) {
        bytes[12] = 0x88;
        bytes[13] = 0xA4;
        bytes[15] = (uint8_t)(0x10 | below(8));
    }
    send_bytes(b, bytes, size);
}

/* ---- the bench's own orders ---- */

static void mailbox(bench *b) {
    uint8_t telegram[600];
    unsigned bytes = 0, size = below(sizeof telegram + 1);
    fill_any(telegram, sizeof telegram);
    write_to(b, any_slave(b), 0x1000, telegram, one_in(4) ? below(300) : 128);
    int slave = fs_segment_mailbox_take(b->segment, telegram, size, &bytes);
    require(slave < 0 || bytes <= size, "a telegram fits the room it was taken to");
    fs_segment_mailbox_reply(b->segment, any_slave(b), telegram, below(sizeof telegram + 1));
}

static void look(bench *b) {
    static fs_event events[300];
    static fs_motion_sample samples[300];
    uint8_t data[64];
    fs_truth truth;
    fs_statistics statistics;
    unsigned slave = any_slave(b), count = below(301);
    fs_segment_truth(b->segment, slave, &truth);
    fs_segment_statistics(b->segment, &statistics);
    require(fs_segment_events(b->segment, slave, edge64(), events, count) <= (int)count, "events fit");
    require(fs_segment_trace(b->segment, slave, edge64(), samples, count) <= (int)count, "samples fit");
    fs_segment_peek(b->segment, slave, (unsigned)edge64(), data, below(sizeof data + 1));
}

static void disturb(bench *b) {
    uint8_t data[64];
    unsigned slave = any_slave(b), state = (unsigned)1 << below(5);
    fill_any(data, sizeof data);
    switch (below(14)) {
    case 0: fs_segment_cut_cable(b->segment, below(b->slaves + 1)); break;
    case 1: fs_segment_heal_cable(b->segment); break;
    case 2: fs_segment_drop_frames(b->segment, below(3)); break;
    case 3: fs_segment_delay_frames(b->segment, below(70), (int64_t)edge64()); break;
    case 4: fs_segment_corrupt_frames(b->segment, below(3)); break;
    case 5: fs_segment_drive_fault(b->segment, slave, (uint16_t)any64()); break;
    case 6: fs_segment_drive_defects(b->segment, slave, (uint8_t)any64(), (uint16_t)below(1001)); break;
    case 7: fs_segment_clock_drift(b->segment, slave, (double)below(3000) - 1500.0); break;
    case 8: fs_segment_clock_lose(b->segment, slave, one_in(2)); break;
    case 9: fs_segment_slow_state(b->segment, slave, state, (int64_t)edge64()); break;
    case 10: fs_segment_refuse_state(b->segment, slave, state, (uint16_t)any64(), (uint32_t)edge64()); break;
    case 11: fs_segment_poke(b->segment, slave, any_offset(), data, below(sizeof data + 1)); break;
    case 12: fs_segment_set_inputs(b->segment, slave, (unsigned)any64()); break;
    default: fs_segment_set_safe_image(b->segment, slave, data, below(40));
    }
}

static void switch_power(bench *b) {
    if (one_in(3)) fs_segment_power_all(b->segment, one_in(2));
    unsigned slave = any_slave(b);
    fs_segment_power(b->segment, slave, 0);
    if (slave < b->slaves && one_in(3)) map(b, slave);
    fs_segment_power(b->segment, slave, 1);
}

static void pass_time(bench *b) {
    b->now_ns += one_in(10) ? (int64_t)(any64() % 3000000000) : below(3000000);
    fs_segment_advance(b->segment, b->now_ns);
}

static void set_a_drive(bench *b) {
    fs_truth truth;
    unsigned slave = any_slave(b);
    if (fs_segment_truth(b->segment, slave, &truth) || truth.device_kind != FS_DEVICE_DRIVE) return;
    set_objects(fs_segment_device(b->segment, slave));
}

static void round_of(void) {
    static void (*const steps[])(bench *) = {exchange, exchange, exchange, exchange,  noise,
                                             mailbox,  look,     disturb,  pass_time, pass_time};
    bench b = set_up();
    for (unsigned i = 0; i < b.slaves; i++) bring_up(&b, i);
    for (int step = 0; step < STEPS; step++) {
        steps[below(sizeof steps / sizeof *steps)](&b);
        if (one_in(25)) bring_up(&b, any_slave(&b));
        if (one_in(40)) switch_power(&b);
        if (one_in(30)) set_a_drive(&b);
    }
    fs_segment_destroy(b.segment);
}

int main(int count, char **arguments) { return fuzz(count, arguments, round_of); }

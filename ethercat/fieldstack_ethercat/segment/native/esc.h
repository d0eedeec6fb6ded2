/*
 * The EtherCAT slave controller's model: its memory and what the parts of it keep beside that.
 *
 * Register numbers and bits are those of ETG.1000.4 and the ESC register descriptions. All functions here run with the
 * segment's lock held and neither allocate nor block.
 */
#ifndef FS_ESC_H
#define FS_ESC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "segment.h"

#define ESC_RAM_START 0x1000u
#define ESC_MEMORY_BYTES 0x3000u /* 4 KiB registers, 8 KiB process data RAM */
#define ESC_FMMUS 8u
#define ESC_SMS 8u
#define ESC_MAILBOX_BYTES 512u
#define ESC_MAILBOX_HEADER 6u
#define ESC_MAILBOX_QUEUE 16u
#define ESC_MAP_ENTRIES 64u
#define ESC_IMAGE_BYTES 128u
#define ESC_EVENTS 2048u
#define ESC_SAMPLES 8192u

enum esc_register {
    REG_TYPE = 0x0000,
    REG_FEATURES = 0x0008,
    REG_STATION_ADDRESS = 0x0010,
    REG_STATION_ALIAS = 0x0012,
    REG_DL_CONTROL = 0x0100,
    REG_DL_STATUS = 0x0110,
    REG_AL_CONTROL = 0x0120,
    REG_AL_STATUS = 0x0130,
    REG_AL_STATUS_CODE = 0x0134,
    REG_PDI_CONTROL = 0x0140,
    REG_EVENT_MASK = 0x0200,
    REG_EVENT = 0x0210,
    REG_RX_ERROR = 0x0300,
    REG_LOST_LINK = 0x0310,
    REG_WATCHDOG_DIVIDER = 0x0400,
    REG_WATCHDOG_PDI = 0x0410,
    REG_WATCHDOG_PROCESS_DATA = 0x0420,
    REG_WATCHDOG_STATUS = 0x0440,
    REG_WATCHDOG_COUNTER = 0x0442,
    REG_EEPROM_CONFIG = 0x0500,
    REG_EEPROM_CONTROL = 0x0502,
    REG_EEPROM_ADDRESS = 0x0504,
    REG_EEPROM_DATA = 0x0508,
    REG_FMMU = 0x0600,
    REG_SM = 0x0800,
    REG_DC = 0x0900,
    REG_DC_END = 0x09B0,
    REG_USER_RAM = 0x0F80
};

enum al_state { AL_INIT = 1, AL_PREOP = 2, AL_BOOT = 3, AL_SAFEOP = 4, AL_OP = 8, AL_MASK = 0x0F, AL_ERROR = 0x10 };

/* Of register 0x0008. */
enum esc_feature { FEATURE_DC = 1u << 2, FEATURE_DC_64 = 1u << 3 };

/* Events of register 0x0210, seen by the master through its mask 0x0200 in the datagrams' event field. */
enum esc_event { EVENT_DL_STATUS = 1u << 2, EVENT_AL_STATUS = 1u << 3 };

typedef struct esc_fmmu {
    uint32_t first; /* logical bytes [first, end) */
    uint32_t end;
    uint32_t bits; /* mapped bits */
    uint16_t physical;
    uint8_t first_bit;
    uint8_t physical_bit;
    uint8_t type; /* 1 read, 2 write */
    uint8_t whole_bytes;
} esc_fmmu;

typedef struct esc_sm {
    uint16_t start;
    uint16_t length;
    uint8_t write;    /* the master writes */
    uint8_t mailbox;  /* else buffered, three buffers */
    uint8_t enabled;  /* by the master */
    uint8_t released; /* by the application (PDI) */
    uint8_t full;     /* mailbox */
    uint8_t open;     /* access began at the start and has not reached the end yet */
    uint8_t watchdog; /* a complete write triggers the process data watchdog */
} esc_sm;

typedef struct esc_map {
    fs_map_entry entries[ESC_MAP_ENTRIES];
    uint16_t count;
    uint16_t bits;
} esc_map;

typedef struct esc_telegram {
    uint16_t bytes;
    uint8_t data[ESC_MAILBOX_BYTES];
} esc_telegram;

typedef struct esc_mailbox {
    uint8_t waiting;      /* SM0 holds a telegram for the application */
    uint8_t last_counter; /* of the last telegram taken, 1 to 7; 0: none */
    uint32_t session;     /* counts resets: entering INIT, power */
    uint8_t repeat;       /* toggle last seen in SM1's activate register */
    uint8_t head;
    uint8_t count;
    esc_telegram queue[ESC_MAILBOX_QUEUE]; /* replies that wait for SM1 */
    esc_telegram last;                     /* what SM1 held last, for a repeat request */
} esc_mailbox;

typedef struct esc_device {
    int kind;
    uint8_t took_outputs; /* since OP was entered */
    int64_t stepped_ns;
    uint16_t seen_controlword;
    uint16_t seen_statusword;
    uint8_t seen_outputs;
    union {
        fs_drive drive;
        fs_dio dio;
    };
} esc_device;

typedef struct esc_truth {
    uint8_t safe;
    uint16_t safe_image_bytes;
    uint8_t safe_image[ESC_IMAGE_BYTES];
    int64_t safe_since_ns;
    int64_t unsafe_since_ns;
    int64_t last_outputs_ns;
    uint64_t output_writes;
    uint64_t event_count;
    uint64_t sample_count;
    int64_t next_sample_ns;
    fs_event events[ESC_EVENTS];
    fs_motion_sample samples[ESC_SAMPLES];
} esc_truth;

/* A slave's own clock: `local_ns` at `since_ns` of CLOCK_MONOTONIC, from there on at its own rate. */
typedef struct esc_clock {
    uint8_t present;
    uint8_t stray;      /* fault: it compares, but no longer follows */
    int64_t forward_ns; /* from the first slave to this one */
    int64_t return_ns;  /* from this slave's way out to the way back; 0: nothing is connected there */
    int64_t since_ns;
    int64_t local_ns;
    double part_ns;        /* of the next nanosecond */
    double drift_ppm;      /* of its oscillator */
    double correction_ppm; /* of the loop */
    double integral_ppm;
    double mean_ns;      /* filtered difference to the reference */
    int64_t compared_ns; /* with the reference, last; 0: never */
} esc_clock;

/* Faults of a slave's application: how long it takes for a state, and which it refuses. Kept over power. */
typedef struct esc_al_faults {
    int64_t slow_ns[9];   /* by AL state: from the request to its effect */
    uint32_t refusals[9]; /* by AL state: requests still to be refused */
    uint16_t refusal_code[9];
} esc_al_faults;

typedef struct esc {
    fs_segment *segment;
    uint8_t powered;
    uint8_t fmmu_count; /* of `fmmus` in use */
    uint8_t sm_changed; /* registers of the sync managers were written in this access */
    uint8_t fmmu_changed;
    uint8_t al_requested; /* AL control was written in this access */
    uint8_t op_pending;   /* OP requested, waits for the first outputs */
    int64_t op_deadline_ns;
    uint16_t al_slow_control; /* AL control that a slow application has not obeyed yet */
    int64_t al_slow_until_ns; /* 0: there is none */
    esc_al_faults al_faults;
    int64_t watchdog_ns;          /* interval; 0: off */
    int64_t watchdog_deadline_ns; /* 0: not armed */
    uint32_t watchdog_expiries;
    uint16_t watchdog_default; /* of register 0x0420 after power-on */
    esc_sm sms[ESC_SMS];
    esc_fmmu fmmus[ESC_FMMUS]; /* active ones, in register order */
    esc_map maps[2];
    esc_mailbox mailbox;
    esc_clock clock;
    esc_device device;
    uint32_t eeprom_bytes;
    uint8_t eeprom[FS_SEGMENT_EEPROM_BYTES];
    uint8_t memory[ESC_MEMORY_BYTES];
    uint8_t outputs[ESC_IMAGE_BYTES]; /* SM2's buffer that the device side sees */
    esc_truth truth;
} esc;

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16; }
static inline void put16(uint8_t *p, unsigned value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}
static inline void put32(uint8_t *p, uint32_t value) {
    put16(p, value & 0xFFFFu);
    put16(p + 2, value >> 16);
}
/* A time that is too far ahead for the clock's range is the end of it. */
static inline int64_t later(int64_t now_ns, int64_t by_ns) {
    int64_t then_ns;
    return __builtin_add_overflow(now_ns, by_ns, &then_ns) ? INT64_MAX : then_ns;
}
static inline unsigned esc_al_state(const esc *slave) { return slave->memory[REG_AL_STATUS] & AL_MASK; }
static inline unsigned esc_image_bytes(const esc_map *map) { return (map->bits + 7u) / 8u; }

/* esc.c: power-on, and the master's access to memory (registers, sync managers, plain RAM). */
void esc_power_on(esc *slave, int64_t now_ns);
/* Bytes [address, address + bytes): nonzero if at least one byte was read or written (ETG.1000.4: then it counts). */
int esc_read(esc *slave, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns);
int esc_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns);
void esc_raise(esc *slave, unsigned events);

/* registers.c */
int registers_read(esc *slave, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns);
int registers_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns);
void registers_reset(esc *slave);
/* Copies what of [address, +bytes) lies in [first, end); nonzero if anything does. */
int registers_copy(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, uint32_t first, uint32_t end);

/* clock.c: distributed clocks. `now_ns` is when the segment got the frame. */
void clock_refresh(esc *slave, int64_t now_ns); /* before registers from REG_DC on are read */
int clock_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns);
void clock_power_on(esc *slave, int64_t now_ns);
void clock_place(esc *slave, unsigned index, unsigned reach);
int64_t clock_truth(esc *slave, int64_t now_ns); /* its system time; 0: it has no clock */

/* sync_manager.c */
void sm_reload(esc *slave);
void sm_release(esc *slave, unsigned index, int released);
void sm_set_full(esc *slave, unsigned index, int full);
esc_sm *sm_at(esc *slave, uint32_t address);
uint32_t sm_next_start(const esc *slave, uint32_t address);
int sm_read(esc *slave, esc_sm *sm, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns);
int sm_write(esc *slave, esc_sm *sm, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns);

/* fmmu.c: the logical address space; returns bit 0: something was read, bit 1: something was written. */
void fmmu_reload(esc *slave);
int fmmu_access(esc *slave, uint32_t logical, uint8_t *data, uint32_t bytes, int read, int write, int64_t now_ns);

/* sii.c */
void sii_reload(esc *slave);
int sii_owned_by_master(const esc *slave);
void sii_command(esc *slave);

/* al.c */
void al_control(esc *slave, int64_t now_ns);
void al_outputs_arrived(esc *slave, int64_t now_ns);
void al_watchdog_expired(esc *slave, int64_t now_ns);
void al_tick(esc *slave, int64_t now_ns);

/* al_checks.c: 0, or the AL status code that says what is wrong. */
unsigned al_check_mailbox(const esc *slave);
unsigned al_check_process_data(const esc *slave);

/* watchdog.c */
void watchdog_reload(esc *slave);
void watchdog_arm(esc *slave, int64_t now_ns);
void watchdog_disarm(esc *slave);
void watchdog_trigger(esc *slave, int64_t now_ns);
void watchdog_tick(esc *slave, int64_t now_ns);

/* process_data.c */
void process_data_outputs(esc *slave, int64_t now_ns);
void process_data_inputs(esc *slave);
void process_data_invalidate(esc *slave, int64_t now_ns);

/* mailbox.c */
void mailbox_reset(esc *slave);
void mailbox_written(esc *slave);
void mailbox_was_read(esc *slave);
void mailbox_repeat(esc *slave);
int mailbox_put(esc *slave, const uint8_t *telegram, unsigned bytes);

/* device.c */
void device_power(esc *slave, int on, int64_t now_ns);
void device_step(esc *slave, int64_t now_ns);
void device_outputs_taken(esc *slave);

/* truth.c */
void truth_event(esc *slave, uint32_t kind, uint32_t a, uint32_t b, int64_t now_ns);
void truth_outputs(esc *slave, int64_t now_ns);
void truth_device(esc *slave, int64_t now_ns);

/* segment.c: tells the application that a telegram waits. */
void segment_notify_mailbox(fs_segment *segment);

#endif

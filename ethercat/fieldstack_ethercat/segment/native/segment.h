/*
 * The virtual segment's public interface: a chain of emulated EtherCAT slave controllers (ESCs) with their devices.
 *
 * This header is read by cffi too: besides the include guard it holds plain declarations only.
 * Positions count from 0 in wire order. Times are CLOCK_MONOTONIC nanoseconds. Unless said otherwise, functions may be
 * called from any thread while the segment runs: each takes the segment's lock (priority inheritance) for microseconds,
 * and what it did is in effect when it returns.
 */
#ifndef FS_SEGMENT_H
#define FS_SEGMENT_H

#include <stdint.h>
#include "digital_io.h"
#include "drive402.h"

typedef struct fs_segment fs_segment;

enum fs_segment_room { FS_SEGMENT_SLAVES = 64, FS_SEGMENT_EEPROM_BYTES = 4096 };

enum fs_device_kind {
    FS_DEVICE_NONE = 0,  /* an ESC without an application: outputs and inputs are plain memory */
    FS_DEVICE_DRIVE = 1, /* fs_drive */
    FS_DEVICE_DIO = 2    /* fs_dio */
};

enum fs_direction { FS_RX_PDO = 0 /* outputs, SM2 */, FS_TX_PDO = 1 /* inputs, SM3 */ };

/* One entry of a PDO mapping: `bits` bits from or to `object` (little-endian). A null object is padding. */
typedef struct fs_map_entry {
    void *object;
    uint16_t bits;
} fs_map_entry;

enum fs_event_kind {
    FS_EVENT_AL_STATE = 1,         /* a: AL status (register 0x0130), b: AL status code (0x0134) */
    FS_EVENT_CONTROLWORD = 2,      /* a: new, b: old */
    FS_EVENT_DIGITAL_OUTPUTS = 3,  /* at the clamps; a: new, b: old, one bit a channel */
    FS_EVENT_DRIVE_STATE = 4,      /* a: new statusword, b: old; masked with 0x006F they differ */
    FS_EVENT_WATCHDOG_EXPIRED = 5, /* a: expiries so far */
    FS_EVENT_OUTPUTS_SAFE = 6,     /* from (OP and output image not safe) to safe */
    FS_EVENT_OUTPUTS_UNSAFE = 7,
    FS_EVENT_OUTPUTS_VALID = 8,   /* first outputs taken over in OP */
    FS_EVENT_OUTPUTS_INVALID = 9, /* OP left: the output image is zero, the device knows */
    FS_EVENT_POWER = 10           /* a: 1 on, 0 off */
};

typedef struct fs_event {
    uint64_t sequence; /* per slave, from 1 */
    int64_t t_ns;
    uint32_t kind; /* enum fs_event_kind */
    uint32_t a;
    uint32_t b;
} fs_event;

typedef struct fs_motion_sample {
    uint64_t sequence; /* per slave, from 1; one sample a millisecond */
    int64_t t_ns;
    double position; /* counts, unwrapped */
    double velocity; /* counts/s */
    uint16_t statusword;
} fs_motion_sample;

/* What a slave really is and does, whatever a master believes. */
typedef struct fs_truth {
    int64_t t_ns; /* when this was read */
    uint32_t device_kind;
    uint8_t powered;
    uint8_t reached;       /* frames get here: no cut and no dark slave before it */
    uint8_t outputs_valid; /* OP, and outputs have been taken over since */
    uint8_t safe;
    uint16_t station_address;
    uint16_t al_status;      /* 0x0130 */
    uint16_t al_status_code; /* 0x0134 */
    uint16_t statusword;
    uint16_t controlword; /* as the device last took it over */
    uint16_t error_code;
    uint8_t drive_state;     /* enum fs_drive_state */
    uint8_t digital_outputs; /* at the clamps */
    uint8_t digital_inputs;
    uint32_t watchdog_expiries;
    double position;
    double velocity;
    int64_t safe_since_ns;   /* last change from unsafe to safe; 0: never unsafe yet */
    int64_t unsafe_since_ns; /* last change from safe to unsafe; 0: never */
    int64_t system_time_ns;  /* as its distributed clock has it; 0: it has none */
    int64_t last_outputs_ns; /* last complete write of the output image; 0: never */
    uint64_t output_writes;  /* complete writes of the output image */
    uint64_t events;         /* sequence of the newest event */
    uint64_t samples;        /* sequence of the newest motion sample */
    uint16_t output_bytes;
    uint16_t input_bytes;
    uint8_t outputs[256]; /* the output image as the device side sees it */
} fs_truth;

typedef struct fs_statistics {
    uint64_t frames; /* received from the master */
    uint64_t answered;
    uint64_t lost;           /* reached no slave: cable cut or first slave dark */
    uint64_t dropped;        /* by command */
    uint64_t delayed;        /* by command */
    uint64_t corrupted;      /* by command */
    uint64_t delay_overflow; /* frames lost because too many were waiting */
    uint64_t malformed;      /* not a frame of EtherCAT datagrams; sent back as it was */
    uint64_t send_errors;
    uint64_t processing_sum_ns; /* from the end of the receive call to the start of the send call */
    int64_t processing_max_ns;
    uint64_t processing_histogram[128]; /* 500 ns each; the last one holds all that is longer */
    uint64_t steps;                     /* of the devices */
    int64_t step_max_ns;                /* longest step of all devices */
    int64_t late_max_ns;                /* how late the frame thread ever woke for a step */
    uint64_t stalls;                    /* wake-ups that were late by more than 5 ms: the machine stood still */
    uint32_t delay_pending;             /* frames waiting to be sent late */
    uint32_t realtime;                  /* bit 0: SCHED_FIFO, bit 1: pinned, bit 2: memory locked */
} fs_statistics;

typedef struct fs_run_options {
    int ifindex;     /* the segment's end of the veth pair */
    int cpu;         /* -1: do not pin */
    int priority;    /* SCHED_FIFO; 0: plain scheduling */
    int64_t step_ns; /* time base of the devices */
} fs_run_options;

/* --- life --- */

/* A segment of `slaves` (1 to FS_SEGMENT_SLAVES) dark ESCs without a device; null if out of memory or range. */
fs_segment *fs_segment_create(unsigned slaves);
/* The segment must be stopped. */
void fs_segment_destroy(fs_segment *segment);
unsigned fs_segment_slaves(const fs_segment *segment);
int64_t fs_now_ns(void);

/* --- configuration: 0, or a negative errno --- */
int fs_segment_set_device(fs_segment *segment, unsigned slave, int kind);
/* The device's struct (fs_drive, fs_dio); null for FS_DEVICE_NONE. Lives as long as the segment. */
void *fs_segment_device(fs_segment *segment, unsigned slave);
/* The SII image, copied; at most FS_SEGMENT_EEPROM_BYTES. */
int fs_segment_set_eeprom(fs_segment *segment, unsigned slave, const uint8_t *image, uint32_t bytes);
/* The PDO mapping of a direction, copied. Refused (-EBUSY) in SAFE-OP and OP, (-E2BIG) beyond 128 bytes or 64 entries. */
int fs_segment_set_mapping(fs_segment *segment, unsigned slave, int direction, const fs_map_entry *entries,
                           unsigned count);
/* Watchdog a slave has after power-on, in units of 100 us (register 0x0420 with divider 0x09C2); 0: off. */
int fs_segment_set_watchdog_default(fs_segment *segment, unsigned slave, unsigned hundred_us);
/* The output image that counts as safe; `bytes` 0: the device's default (a drive: operation not enabled by the
 * controlword; else all zero). */
int fs_segment_set_safe_image(fs_segment *segment, unsigned slave, const uint8_t *image, unsigned bytes);
/* Whether it has a distributed clock; before power-on. */
int fs_segment_set_clock(fs_segment *segment, unsigned slave, int present);
int fs_segment_power(fs_segment *segment, unsigned slave, int on);

/* --- running on a socket: 0, or a negative errno --- */
int fs_segment_start(fs_segment *segment, const fs_run_options *options);
/* Ends the frame thread; 0, or the negative errno that had ended it before. */
int fs_segment_stop(fs_segment *segment);
/* Becomes readable when the frame thread has ended by itself (the interface is gone). */
int fs_segment_failed_fd(const fs_segment *segment);

/* --- without a socket: one frame from the master, and time --- */

/* Passes the frame (Ethernet header first, room for 1518 bytes) through the chain, in place. Returns the number of bytes
 * that come back, 0 if none do. */
int fs_segment_frame(fs_segment *segment, uint8_t *frame, int bytes, int64_t now_ns);
/* Brings devices and watchdogs to now_ns. */
void fs_segment_advance(fs_segment *segment, int64_t now_ns);

/* --- mailbox: the application side --- */

/* Becomes readable when a telegram waits. */
int fs_segment_mailbox_fd(const fs_segment *segment);
/* Takes a waiting telegram and frees SM0 for the next. Returns its slave, or -1 if none waits; -2 if `size` is too small. */
int fs_segment_mailbox_take(fs_segment *segment, uint8_t *telegram, unsigned size, unsigned *bytes);
/* Changes whenever the slave's mailbox was reset (INIT entered, power): transfers begun before are void. */
uint32_t fs_segment_mailbox_session(fs_segment *segment, unsigned slave);
/* The AL state (1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP); 0 if out of range. */
unsigned fs_segment_al_state(fs_segment *segment, unsigned slave);
/* Queues a telegram for SM1. 0; -ENOBUFS if 16 wait already, -EMSGSIZE if longer than the mailbox, -ENOTCONN if the slave's
 * mailbox is off (INIT or dark). */
int fs_segment_mailbox_reply(fs_segment *segment, unsigned slave, const uint8_t *telegram, unsigned bytes);

/* --- faults: 0, or a negative errno --- */

/* Cuts the cable behind `after` slaves: 0 is before the first. */
int fs_segment_cut_cable(fs_segment *segment, unsigned after);
int fs_segment_heal_cable(fs_segment *segment);
int fs_segment_drop_frames(fs_segment *segment, unsigned count);
int fs_segment_delay_frames(fs_segment *segment, unsigned count, int64_t by_ns);
int fs_segment_corrupt_frames(fs_segment *segment, unsigned count);
int fs_segment_drive_fault(fs_segment *segment, unsigned slave, uint16_t error_code);
/* What a drive is out of order in (enum fs_drive_defect, 0: in order again), and the share of a ramp's deceleration that it
 * has, in per mille (0: all of it). */
int fs_segment_drive_defects(fs_segment *segment, unsigned slave, uint8_t defects, uint16_t ramp_share);
/* Rate error of its oscillator, -1000 to 1000 ppm. -ENODEV: it has no distributed clock. */
int fs_segment_clock_drift(fs_segment *segment, unsigned slave, double ppm);
/* Its clock no longer follows the reference (0: it does again). -ENODEV likewise. */
int fs_segment_clock_lose(fs_segment *segment, unsigned slave, int lost);
/* Power of all slaves at once: no frame sees a part of them with and a part without. */
int fs_segment_power_all(fs_segment *segment, int on);
/* How long after its request a slave enters an AL state (1, 2, 4, 8); 0 ends it. */
int fs_segment_slow_state(fs_segment *segment, unsigned slave, unsigned state, int64_t by_ns);
/* The next `count` requests for a higher AL state are refused with that AL status code; UINT32_MAX: all; 0 ends it. */
int fs_segment_refuse_state(fs_segment *segment, unsigned slave, unsigned state, uint16_t code, uint32_t count);
/* Overwrites registers as no master did: FMMUs, sync managers (their PDI side too), the station address. */
int fs_segment_poke(fs_segment *segment, unsigned slave, unsigned address, const uint8_t *data, unsigned bytes);
int fs_segment_set_inputs(fs_segment *segment, unsigned slave, unsigned bits);

/* --- truth --- */
int fs_segment_truth(fs_segment *segment, unsigned slave, fs_truth *truth);
/* Events after sequence `since`, oldest first; returns how many. Older ones than the ring holds are gone: a gap in the
 * sequence shows it. */
int fs_segment_events(fs_segment *segment, unsigned slave, uint64_t since, fs_event *events, unsigned count);
int fs_segment_trace(fs_segment *segment, unsigned slave, uint64_t since, fs_motion_sample *samples, unsigned count);
int fs_segment_statistics(fs_segment *segment, fs_statistics *statistics);

/* --- for tests: a slave's memory as the application (PDI) side sees it; bytes read, or a negative errno --- */
int fs_segment_peek(fs_segment *segment, unsigned slave, unsigned address, uint8_t *data, unsigned bytes);

#endif

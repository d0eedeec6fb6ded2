/* The cycle thread: exchanges process data through SOEM, plays setpoints, obeys the latch, beats.
 * It takes part in no Python: nothing that holds the interpreter's lock can delay a frame. */
#ifndef FIELDSTACK_CYCLE_H
#define FIELDSTACK_CYCLE_H

#include <stdint.h>

#include "agent.h"
#include "axis.h"
#include "layout.h"

typedef struct fs_span { uint32_t offset, size; } fs_span;

typedef struct fs_group {
    uint64_t axes;
    uint32_t essential, pad;
} fs_group;

enum fs_cycle_room { FS_MAX_SPANS = 64 };

typedef struct fs_cycle_config {
    uint64_t context;         /* ecx_contextt * of pysoem's master */
    uint64_t send;            /* int ecx_send_processdata(ecx_contextt *) */
    uint64_t receive;         /* int ecx_receive_processdata(ecx_contextt *, int timeout_us) */
    uint64_t outputs, inputs; /* uint8_t *: SOEM's IO map */
    uint32_t outputs_size, inputs_size;
    uint64_t cycle_time_ns;
    uint32_t receive_timeout_us;
    int32_t socket; /* SOEM's packet socket, to be emptied of answers that came too late; -1: none */
    int32_t expected_wkc;
    uint32_t wkc_limit;        /* the plan's lost_cycles_limit: bad cycles in a row that stop the axes */
    int32_t excusable_wkc;     /* share of the slaves that belong to non-essential groups only */
    uint32_t diagnosis_cycles; /* so long may a counter that such slaves can explain go unexplained */
    int32_t start_input;       /* byte of the inputs with the start input's bit; -1: there is none */
    uint32_t start_bit;
    fs_agent_settings agent; /* defaults of the HA agent; 0: built in */
    uint32_t fault_injection;
    uint32_t axis_count;
    uint32_t group_count; /* each axis is in one group */
    uint32_t io_output_spans, io_input_spans;
    fs_axis_config axes[FS_MAX_AXES];
    fs_group groups[FS_MAX_AXES];
    fs_span io_outputs[FS_MAX_SPANS], io_inputs[FS_MAX_SPANS]; /* of slaves that are no axes */
    uint8_t safe_image[FS_IMAGE_BYTES];
} fs_cycle_config;

typedef struct fs_cycle fs_cycle;

/* Starts the thread, which claims the bus (waits at most lock_timeout_ns for whoever has it) and idles.
 * 0, or an errno: ETIMEDOUT: another RT process is alive.  `degraded` gets FS_DEGRADED_* bits. */
int fs_cycle_start(fs_store *store, int32_t cpu, int32_t priority, uint64_t lock_timeout_ns, fs_cycle **out);
uint32_t fs_cycle_degraded(const fs_cycle *cycle);
/* Which start of RT this is, and its thread: as this process knows them, whatever the shared memory says. */
uint64_t fs_cycle_epoch(const fs_cycle *cycle);
uint32_t fs_cycle_tid(const fs_cycle *cycle);
/* Whether counts, offsets and spans stay within the images and arrays. */
int fs_cycle_config_fits(const fs_cycle_config *config);
/* Begins to exchange.  The configuration is copied.  0, or EINVAL: it does not fit. */
int fs_cycle_run(fs_cycle *cycle, const fs_cycle_config *config);
void fs_cycle_set_supervised(fs_cycle *cycle, int in_op);  /* working counter faults count from now on */
void fs_cycle_set_enabled(fs_cycle *cycle, uint64_t axes); /* mask: axes that may be powered */
/* Axes that must stand because their slaves are lost or restarted, and what these slaves' share of the working
 * counter is, which is no longer expected. */
void fs_cycle_set_lost(fs_cycle *cycle, uint64_t axes, int32_t wkc);
/* A slave that the axes cannot do without is lost: when it is back, motion is not simply taken up again. */
void fs_cycle_set_essential_lost(fs_cycle *cycle, int lost);
/* Orderly end: stop the axes; then stop to exchange (0: stands, -1: still moving after the time);
 * then let the bus go and end the thread. The thread beats until then. */
void fs_cycle_quiesce(fs_cycle *cycle);
/* 1: all axes were read back to stand, without power; 2: those of which anything is known; 0: not. */
int fs_cycle_standing(const fs_cycle *cycle);
void fs_cycle_halt(fs_cycle *cycle);
void fs_cycle_release(fs_cycle *cycle);

/* Cycles begin this many eighths of a period after full ones of CLOCK_MONOTONIC: at full ones the kernel's own
 * tick runs, on every CPU at once. */
enum fs_cycle_phase { FS_CYCLE_PHASE_EIGHTHS = 3 };
enum fs_degraded { FS_DEGRADED_SCHEDULER = 1, FS_DEGRADED_AFFINITY = 2 };

#endif

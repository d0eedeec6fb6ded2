/* The shared-memory contract between the RT, Non-RT and Core processes.
 *
 * One POSIX shared-memory object an instance.  One writer a block: its name stands beside each
 * block in `fs_store`.  A block that is more than one word is a seqlock'd record (store.h);
 * single words are C11 atomics.  All times are CLOCK_MONOTONIC nanoseconds, 0 = never.
 * The text of this file is hashed at build time (FS_LAYOUT_HASH): any change of it is another
 * layout, and both sides refuse a segment whose hash is not theirs.
 *
 * This file is read by the C compiler and by cffi's parser: plain declarations only.
 */

#ifndef FIELDSTACK_LAYOUT_H
#define FIELDSTACK_LAYOUT_H
#include <stdint.h>

/* How much of each there is room for. Python takes these numbers from here (datastore/layout.py). */
enum fs_room {
    FS_MAX_AXES = 64, /* an axis has a bit in 64-bit masks */
    FS_MAX_SLAVES = 200,
    FS_SLAVE_WORDS = 4,    /* of 64 bits: a mask of slaves */
    FS_IO_BYTES = 64,      /* of slaves that are no axes, in a direction */
    FS_IMAGE_BYTES = 4096, /* of the output image */
    FS_EVENT_SLOTS = 1024,
    FS_SETPOINT_SLOTS = 1024,
    FS_MAX_SAMPLES = 16384,
    FS_HISTOGRAM_BUCKETS = 1664,
    FS_MAX_TASK_BYTES = 8192, /* task state in a checkpoint, JSON */
    FS_MAX_HA_BYTES = 4096    /* HA state in it, JSON */
};

/* ---- fixed prefix: never changes its place or meaning, so that any version can read it ---- */
typedef struct fs_header {
    uint64_t magic;       /* FS_MAGIC, stamped last */
    uint64_t layout_hash; /* of layout.h */
    uint64_t size;        /* bytes of the whole segment */
    uint64_t created_ns;
    uint32_t layout_version; /* counts up with each released layout */
    uint32_t owner_pid;      /* Non-RT process that created or adopted it */
    uint32_t rt_pid;         /* RT process that is attached, 0 = none */
    uint32_t reserved;
} fs_header;

/* ---- fixed suffix, the last bytes of the segment: says the same, so that damage to one of both is known for it ---- */
typedef struct fs_identity {
    uint64_t magic; /* FS_MAGIC, stamped after the header's */
    uint64_t layout_hash;
    uint64_t size;
    uint64_t created_ns;
} fs_identity;

/* A futex word, see lock.h. */
typedef struct fs_lock { uint32_t word, pad[15]; } fs_lock;

/* ---- RT: the cycle thread writes ---- */
typedef struct fs_axis_state {
    int32_t position;        /* 0x6064, counts */
    int32_t velocity;        /* 0x606C, counts/s */
    int32_t target;          /* 0x607A as sent, counts */
    int32_t target_velocity; /* counts/s of the target, as played */
    int32_t following_error; /* target - position, counts; 0 while the drive does not follow; not taken anew
                                * while the working counter is low, for then the position may be stale */
    int16_t torque;          /* 0x6077, per mille of rated torque */
    uint16_t statusword;     /* 0x6041 */
    uint16_t controlword;    /* 0x6040 as sent */
    uint16_t error_code;     /* 0x603F */
    int8_t mode;             /* 0x6061 */
    uint8_t state;           /* enum fs_axis_mode: what the master does with the axis */
    uint8_t stop;            /* enum fs_stop: why this axis must stand; 0: it may move */
    uint8_t stand;           /* enum fs_stand: as read back from velocity and position */
    uint8_t rung;            /* enum fs_rung: what was tried last because it did not stop; until a person's reset */
    uint8_t ignores;         /* 1: it ignores a stop: Operation enabled, and in motion */
    uint16_t let_go;         /* how often in a row its drive let go of power by itself; 0 again after FS_STEADY_S */
    uint32_t speed;          /* counts/s: the greater of what velocity and position tell */
} fs_axis_state;

typedef struct fs_agent_settings {
    uint64_t slow_ns, timeout_ns, grace_ns, go_on_ns, hold_at_most_ns;
    uint32_t on_silent, on_dead; /* enum fs_agent_reaction */
} fs_agent_settings;

typedef struct fs_rt_status {
    uint64_t epoch; /* +1 at each attach of an RT process */
    uint64_t started_ns;
    uint64_t cycle;          /* completed cycles of this epoch */
    uint64_t cycle_ns;       /* when this record was written */
    uint64_t estop_seen;     /* the latch as obeyed in this cycle: on_reset | on_recovery << 32 */
    uint64_t lost_frames;    /* cycles whose frames did not come back in time */
    uint64_t late_wakeups;   /* cycles that began more than a period late */
    uint64_t skipped_cycles; /* periods that passed without an exchange because of that */
    uint64_t wkc_errors;     /* cycles with a working counter other than expected */
    uint64_t setpoint_tail;  /* setpoints taken from the ring */
    uint64_t stream;         /* stream that is played, or was last */
    uint64_t refusals;       /* streams that were refused in this epoch */
    uint64_t axes_playing;   /* mask: axes that follow it now */
    uint64_t axes_lost;      /* mask: axes whose slaves are told lost or in restart */
    uint64_t axes_standing;  /* mask: axes that were read back to stand; neither those that move nor those not known */
    uint64_t axes_run_on;    /* mask: axes that ignore a stop, or have outlasted its bound; until a person's reset */
    uint64_t axes_confirmed; /* mask: axes that stand where they should, as RT has checked; only these have power */
    uint64_t axes_await_start; /* mask: axes on which no motion begins until a start (fs_start) */
    uint64_t start_taken;      /* sequence of the last fs_start of this epoch, obeyed or not */
    uint64_t start_pressed;    /* cycle in which the start input rose, seen low before while axes waited; 0: never */
    uint64_t await_since_ns[FS_MAX_AXES]; /* of each that waits: since when; 0: it does not wait */
    uint32_t
        await_reasons[FS_MAX_AXES]; /* of each that waits: bit an enum fs_stop that held it meanwhile; START: none since
                                  * RT began, or told to wait; NOT_ENABLED: its drive let go by itself */
    uint64_t nonrt_gap_ns;          /* time without a beat of the Non-RT process, in cycles that ran */
    int32_t wkc;                    /* of the last exchange; -1: no frame */
    int32_t expected_wkc;  /* at least: without what slaves that are told lost no longer add to it, if all their
                                * groups are non-essential */
    uint32_t bad_wkc_row;  /* cycles in a row without the expected working counter */
    uint32_t wake_ns;      /* this cycle's wake-up latency */
    uint32_t exchange_ns;  /* this cycle's send to receive */
    uint32_t late_row;     /* deadline misses in a row: late wake-ups, and exchanges that left no time */
    uint32_t nonrt_view;   /* enum fs_peer_view: the Non-RT process as the cycle sees it */
    uint32_t stop_reason;  /* enum fs_stop: why all axes stand or come to a stand; 0: they may move */
    uint32_t stream_state; /* enum fs_stream_state */
    uint32_t wkc_verdict;  /* enum fs_wkc_verdict: what RT says of `wkc`; all who judge it take this word */
    int32_t full_wkc;      /* of the whole bus */
    uint32_t axis_count;
    uint32_t inputs_size;            /* bytes of `inputs` in use */
    uint32_t outputs_size;           /* bytes of `io_outputs` in use */
    uint32_t refused_axis;           /* the axis that refused the last of those */
    uint32_t refusal;                /* enum fs_refusal: why */
    fs_agent_settings agent;         /* how RT watches the Non-RT process: in force in this cycle */
    uint8_t io_inputs[FS_IO_BYTES];  /* inputs of slaves that are no axes, in slave order */
    uint8_t io_outputs[FS_IO_BYTES]; /* outputs of those, as sent */
    fs_axis_state axes[FS_MAX_AXES];
} fs_rt_status;

/* ---- RT: its Python side writes ---- */
typedef struct fs_slave_state {
    uint16_t al_state;        /* 0x0130: 1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP, +0x10 error; 0: not answering */
    uint16_t al_status_code;  /* 0x0134 */
    uint32_t rx_errors;       /* 0x0300..0x0307 of all ports, counted up since RT started */
    uint32_t lost_links;      /* 0x0310..0x0313 likewise */
    uint32_t lost;            /* 1: does not take part in the exchange */
    int32_t dc_difference_ns; /* 0x092C; INT32_MIN: no distributed clock */
    uint32_t restart_ok;      /* 1: its last restart by command ended well */
    uint64_t restart_done;    /* sequence of the last fs_bus_command that it was in and that is answered */
} fs_slave_state;

typedef struct fs_rt_bus {
    uint64_t read_ns;        /* when the AL states were read */
    uint64_t recoveries;     /* slaves brought back since start */
    uint64_t axes_elsewhere; /* mask: axes that stand elsewhere than on record; power waits for a person's reset */
    uint64_t command_taken;  /* sequence of the last fs_bus_command that was read: the next may be written */
    uint64_t command_done;   /* of the one that was answered last; several are carried out side by side */
    uint32_t command_ok;     /* 1: with success */
    uint32_t slave_count;
    fs_slave_state slaves[FS_MAX_SLAVES];
    char command_text[128]; /* what came of it, for people */
    char interface[16];
    char setup[256];     /* what of the real-time set-up is degraded; empty: nothing */
    char diagnosis[256]; /* what is wrong with the bus, for people; empty: nothing */
} fs_rt_bus;

/* What the guard needs to put the outputs into their safe state without RT. */
typedef struct fs_guard_plan {
    uint64_t epoch; /* RT epoch that it belongs to */
    uint64_t cycle_time_ns;
    uint32_t logical_start;    /* logical address of the first output byte */
    uint32_t outputs_size;     /* bytes of the output image */
    uint32_t expected_lwr_wkc; /* slaves with outputs */
    uint32_t slave_count;
    uint16_t stations[FS_MAX_SLAVES]; /* configured station addresses (0x0010), by position */
    uint32_t rt_pid;
    uint32_t checksum;   /* fs_checksum over the record with this field zero */
    int32_t rt_cpu;      /* CPU of the cycle thread, -1: any */
    int32_t rt_priority; /* its SCHED_FIFO priority, 0: none */
    uint32_t rt_tid;     /* of the cycle thread */
    uint32_t pad;
    char interface[16];
    uint8_t safe_image[FS_IMAGE_BYTES];
} fs_guard_plan;

/* Slaves that did not answer when RT looked last: the guard cannot have their states read back. RT writes two of
 * them in turn, so that one is whole also where it died inside the other. */
typedef struct fs_guard_losses {
    uint64_t epoch;
    uint64_t sequence;
    uint64_t absent[FS_SLAVE_WORDS]; /* mask of positions: bit position % 64 of word position / 64 */
    uint32_t checksum;               /* fs_checksum over the record with this field zero */
    uint32_t pad;
} fs_guard_losses;

/* ---- counters of the cycle thread: plain increasing words, no seqlock needed ---- */
/* Log-linear histogram: bucket = 64 * octave + 6 bits below the leading one; 64 ns to 2^31 ns. */
typedef struct fs_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t bucket[FS_HISTOGRAM_BUCKETS];
} fs_histogram;

typedef struct fs_cycle_sample {
    uint64_t cycle;
    uint32_t wake_ns;
    uint32_t exchange_ns;
    int32_t wkc;
    uint32_t flags; /* enum fs_sample_flag */
} fs_cycle_sample;

typedef struct fs_rt_statistics {
    fs_histogram wake;
    fs_histogram exchange;
    uint64_t sample_head; /* samples written; slot = head % FS_MAX_SAMPLES */
    fs_cycle_sample samples[FS_MAX_SAMPLES];
} fs_rt_statistics;

/* ---- events: single producer, single consumer; a full ring refuses and counts ---- */
typedef struct fs_event {
    uint64_t sequence;
    uint64_t t_ns;
    uint32_t code;    /* enum fs_event_code */
    uint32_t subject; /* slave position or axis number, as the code says */
    int64_t a, b, c;  /* as the code says */
} fs_event;

typedef struct fs_event_ring {
    uint64_t head;    /* producer */
    uint64_t refused; /* producer: events that found the ring full */
    uint64_t pad0[6];
    uint64_t tail; /* consumer */
    uint64_t pad1[7];
    fs_event slots[FS_EVENT_SLOTS];
} fs_event_ring;

/* ---- setpoints: Core produces, the cycle thread plays one a cycle ---- */
typedef struct fs_setpoint {
    uint64_t number;      /* its place in the ring, as pushed: another one is left over from before */
    uint64_t stream;      /* id of the stream that it belongs to, > 0 */
    uint64_t axes;        /* mask: axes that it commands; the others hold */
    uint64_t hold_to_run; /* mask: of those, axes that move only while a person renews it: `hold_to_run_ns` */
    uint32_t flags;       /* enum fs_setpoint_flag */
    uint32_t io_size;
    int32_t position[FS_MAX_AXES]; /* counts; an axis's number is its place in the bus configuration */
    int32_t velocity[FS_MAX_AXES]; /* counts/s, feed-forward and CSV */
    uint8_t io[FS_IO_BYTES];       /* outputs of slaves that are no axes */
} fs_setpoint;

typedef struct fs_setpoint_ring {
    uint64_t head; /* Core */
    uint64_t pad0[7];
    uint64_t tail; /* cycle thread */
    uint64_t pad1[7];
    fs_setpoint slots[FS_SETPOINT_SLOTS];
} fs_setpoint_ring;

/* ---- EMERGENCY_STOP: anyone sets bits; only the Non-RT process clears them ---- */
typedef struct fs_estop_note {
    uint64_t t_ns;
    uint32_t pid;
    uint32_t claim; /* writer's pid while it writes */
    char reason[112];
} fs_estop_note;

typedef struct fs_estop {
    uint32_t on_reset;        /* bit a source (enum fs_estop_source); a person clears */
    uint32_t on_recovery;     /* bit a source; cleared when the cause has gone */
    uint32_t on_reset_too;    /* both once more: what stands in either of them is latched, */
    uint32_t on_recovery_too; /* so that no single word lifts a stop */
    fs_estop_note notes[8];   /* one a source */
} fs_estop;

/* ---- Non-RT: the supervision pass writes ---- */
typedef struct fs_nonrt_status {
    uint64_t epoch;
    uint64_t started_ns;
    uint64_t pass;
    uint64_t pass_ns;
    uint64_t ha_since_ns;
    uint32_t pid;
    uint32_t ha_state;    /* enum fs_ha_state */
    uint32_t rt_restarts; /* in the present window */
    uint32_t rt_restart_budget;
    uint64_t events_written;
    char ha_reason[192];
} fs_nonrt_status;

/* What Non-RT asks of RT's housekeeping; answered in fs_rt_bus.command_*. */
typedef struct fs_bus_command {
    uint64_t sequence;               /* +1 each; 0: never one */
    uint32_t kind;                   /* enum fs_bus_command_kind */
    uint32_t checksum;               /* fs_checksum over the record with this field zero */
    uint64_t slaves[FS_SLAVE_WORDS]; /* mask of positions: bit position % 64 of word position / 64 */
} fs_bus_command;

/* A start, or the word to wait for one. RT takes it once, if it is whole: checksum, epoch and sequence agree. */
typedef struct fs_start {
    uint64_t sequence;   /* fs_rt_status.start_taken + 1 */
    uint64_t rt_epoch;   /* RT epoch that it is for */
    uint64_t axes;       /* mask */
    uint64_t seen_cycle; /* what stops an axis in this cycle or later is not lifted by it */
    uint32_t kind;       /* enum fs_start_kind */
    uint32_t checksum;   /* fs_checksum over the record with this field zero */
} fs_start;

/* ---- Non-RT: the guard thread writes ---- */
typedef struct fs_guard_status {
    uint64_t armed_epoch; /* RT epoch it watches, 0 = none */
    uint64_t trips;
    uint64_t observations;
    uint64_t safe_frames;      /* sent in this trip */
    uint64_t last_progress_ns; /* when RT was last seen to make progress */
    uint64_t detected_ns;      /* of the last trip */
    uint64_t fenced_ns;        /* RT's process is known to be gone; 0: not yet */
    uint64_t safe_frame_ns;    /* first safe frame handed to the interface */
    uint64_t confirmed_ns;     /* after that, outputs and AL states read back as safe; 0: not confirmed */
    uint64_t released_ns;      /* bus handed to a new RT process */
    uint64_t trip_epoch;
    uint32_t state;  /* enum fs_guard_state */
    uint32_t cause;  /* enum fs_trip_cause */
    int32_t lwr_wkc; /* of the first answered safe frame; -1: none answered */
    int32_t al_wkc;
    uint32_t al_states;    /* AL status of all slaves, OR-ed (BRD 0x0130) */
    uint32_t fence_failed; /* 1: RT's process is still there, though it was killed; it is waited for */
    uint32_t absent;       /* slaves that were lost before and have told no state: nothing is known of them */
    uint32_t pad;
    uint64_t excused; /* observations without progress while RT's CPU itself stood still */
} fs_guard_status;

/* Last known good: what a restarted RT process is measured against, and what the cell goes on with. */
typedef struct fs_checkpoint {
    uint64_t generation;
    uint64_t written_ns;
    uint64_t rt_epoch;
    uint64_t core_epoch;
    uint64_t nonrt_epoch;
    uint64_t stream;
    uint64_t ledger_position;
    uint32_t axis_count;
    uint32_t checksum; /* fs_checksum over the record with this field zero */
    int32_t position[FS_MAX_AXES];
    uint32_t task_size;
    uint32_t ha_size;
    char task[FS_MAX_TASK_BYTES]; /* task state, JSON */
    char ha[FS_MAX_HA_BYTES];     /* latches, budgets, epochs, JSON */
} fs_checkpoint;

/* ---- Core writes ---- */
typedef struct fs_core_status {
    uint64_t epoch;
    uint64_t started_ns;
    uint64_t pass_ns;
    uint64_t requests_done; /* of the control socket */
    uint32_t pid;
    uint32_t state;          /* enum fs_core_state */
    uint32_t speed_override; /* in effect, per mille */
    uint32_t safe_moment;    /* 1: a restart now would interrupt nothing */
    uint32_t tasks_running;
    uint32_t task_size;
    char task[FS_MAX_TASK_BYTES]; /* task state, JSON: what a checkpoint keeps */
} fs_core_status;

/* The whole segment.  `*_seq` is the seqlock of the record behind it; `*_beat` counts progress. */
typedef struct fs_store {
    fs_header header;
    fs_lock rt_lock;    /* held by RT's cycle thread; by the guard while it has the bus */
    fs_lock nonrt_lock; /* held by Non-RT's guard thread for its life */

    uint64_t rt_epoch; /* atomic; raised by an attaching RT process */
    uint64_t rt_beat;  /* atomic; cycle thread, after a completed exchange */
    uint64_t rt_beat_ns;
    uint32_t rt_phase;       /* atomic, enum fs_rt_phase; cycle thread and RT process */
    uint32_t rt_claim;       /* atomic; pid of an RT process that asks for the bus */
    uint32_t rt_tid;         /* of the cycle thread */
    uint32_t rt_inject;      /* test hook, obeyed only with --fault-injection */
    uint64_t rt_idle_beat;   /* atomic; cycle thread, each millisecond in which it holds rt_lock and exchanges
                                          * nothing: before the first exchange and after the last one */
    uint64_t rt_end;         /* cycle thread: fs_end_token of its epoch, see bus.h */
    uint64_t guard_end;      /* guard thread: its answer */
    uint32_t rt_claim_check; /* ~rt_claim: one word alone claims nothing */
    uint32_t pad0;

    uint64_t rt_orderly_end;  /* atomic; RT's Python side, its last word: its epoch, if it ended as it should */
    uint64_t rt_main_beat;    /* atomic; RT's Python side, after a completed housekeeping pass */
    uint64_t rt_main_beat_ns; /* when that was; 0: this RT keeps no house yet; words.NO_MORE: it goes down */

    uint64_t nonrt_beat;     /* atomic; Non-RT, after a completed supervision pass */
    uint64_t nonrt_epoch;    /* atomic */
    uint32_t motion_permit;  /* atomic; Non-RT: axes may move (1) or come to a stand (0) */
    uint32_t reset_count;    /* atomic; Non-RT: +1 asks for a fault reset of all axes */
    uint32_t nonrt_stopping; /* atomic; Non-RT goes down by request: not a failure */
    uint32_t reset_check;    /* ~reset_count; as long as it is not, nothing is reset */
    uint64_t core_beat;      /* atomic; Core */
    uint64_t hold_to_run_ns; /* atomic; Core: until then axes of hold_to_run follow; at most FS_LONGEST_HOLD_NS ahead */
    uint64_t pad2[2];

    /* Non-RT writes, atomic; RT and Core obey within a cycle or a pass. RT takes an agent word of 0, or one out
     * of its bounds (agent.h), for its own default. */
    uint64_t agent_slow_ns;         /* without a beat: the Non-RT process is slow */
    uint64_t agent_timeout_ns;      /* without a beat: it is silent */
    uint64_t agent_grace_ns;        /* after RT's start: until then "never seen" is no failure */
    uint64_t agent_go_on_ns;        /* motion goes on for so long when it is silent or dead */
    uint64_t agent_hold_at_most_ns; /* without a beat: so long at most are axes held under power */
    uint32_t agent_on_silent;       /* enum fs_agent_reaction */
    uint32_t agent_on_dead;
    uint64_t axes_blocked;   /* mask: axes that must stand, with their groups */
    uint32_t speed_override; /* per mille, 1000: full speed */
    uint32_t pad3[5];

    fs_estop estop;

    uint64_t rt_status_seq;
    fs_rt_status rt_status; /* cycle thread */
    uint64_t rt_bus_seq;
    fs_rt_bus rt_bus; /* RT's Python side */
    uint64_t guard_plan_seq;
    fs_guard_plan guard_plan;        /* RT's Python side, at bring-up */
    fs_guard_losses guard_losses[2]; /* RT's Python side; the whole one with the higher sequence counts */
    uint64_t nonrt_status_seq;
    fs_nonrt_status nonrt_status; /* supervision pass */
    uint64_t bus_command_seq;
    fs_bus_command bus_command; /* Non-RT */
    uint64_t start_seq;
    fs_start start; /* Non-RT */
    uint64_t guard_status_seq;
    fs_guard_status guard_status; /* guard thread */
    uint64_t checkpoint_seq;
    fs_checkpoint checkpoint; /* Non-RT */
    uint64_t core_status_seq;
    fs_core_status core_status; /* Core */

    fs_rt_statistics statistics; /* cycle thread */
    fs_event_ring cycle_events;  /* cycle thread -> Non-RT */
    fs_event_ring host_events;   /* RT's Python side -> Non-RT */
    fs_setpoint_ring setpoints;  /* Core -> cycle thread */
    fs_identity identity;        /* owner, and RT: the header once more */
} fs_store;

enum fs_rt_phase { FS_RT_ABSENT, FS_RT_STARTING, FS_RT_CYCLING, FS_RT_STOPPING, FS_RT_STOPPED };
enum fs_axis_mode {
    FS_AXIS_DISABLED,
    FS_AXIS_ENABLING,
    FS_AXIS_HOLDING,
    FS_AXIS_FOLLOWING,
    FS_AXIS_RAMPING,
    FS_AXIS_QUICK_STOP,
    FS_AXIS_FAULT
};
enum fs_stand { FS_STAND_UNKNOWN, FS_STAND_MOVING, FS_STAND_STANDING };
/* What is done with an axis that does not stop within its bound; each is in force with those before it. */
enum fs_rung {
    FS_RUNG_NONE,
    FS_RUNG_QUICK_STOP,
    FS_RUNG_BRAKE,
    FS_RUNG_DISABLE_VOLTAGE,
    FS_RUNG_SAFE_OUTPUTS,
    FS_RUNG_END_RT
};
enum fs_rt_exit { FS_EXIT_RUNS_ON = 9 }; /* exit status of an RT process that ended itself by FS_RUNG_END_RT */
/* Why the axes stop, worst last: the highest of those that apply is shown. Of one axis or group alone: OUT (it
 * dropped out of the running stream), START, BLOCKED, SLAVE_LOST, and AXIS_FAULT in a non-essential group.
 * What is above START begins a wait for a start. */
enum fs_stop {
    FS_STOP_NONE,
    FS_STOP_NOT_ENABLED,
    FS_STOP_UNDERRUN,
    FS_STOP_OUT,
    FS_STOP_START,
    FS_STOP_PERMIT,
    FS_STOP_BLOCKED,
    FS_STOP_NONRT_SILENT,
    FS_STOP_NONRT_DEAD,
    FS_STOP_AXIS_FAULT,
    FS_STOP_SLAVE_LOST,
    FS_STOP_WKC,
    FS_STOP_SHUTDOWN,
    FS_STOP_ESTOP
};
/* A process as its peer sees it. SLOW: beats, but late; STOPPING: went down by request. */
enum fs_peer_view { FS_PEER_NEVER, FS_PEER_WELL, FS_PEER_SLOW, FS_PEER_SILENT, FS_PEER_DEAD, FS_PEER_STOPPING };
/* STOP: controlled stop, then power off (IEC 60204-1 category 1); HOLD: position held under power (2). */
enum fs_agent_reaction { FS_AGENT_DEFAULT, FS_AGENT_STOP, FS_AGENT_HOLD };
enum fs_bus_command_kind { FS_BUS_COMMAND_NONE, FS_BUS_COMMAND_RESTART_SLAVE };
enum fs_start_kind { FS_START_NONE, FS_START_GO, FS_START_WAIT };
enum fs_stream_state {
    FS_STREAM_IDLE,
    FS_STREAM_PLAYING,
    FS_STREAM_ENDED,
    FS_STREAM_UNDERRUN,
    FS_STREAM_BROKEN,
    FS_STREAM_REFUSED
};
/* Why a setpoint was refused. HELD: the axis's group must stand. NOT_HOLDING: it does not stand under power. AWAY: a stream
 * begins elsewhere than where it stands. LIMIT: it leads out of the position limits, or further out. BEYOND_SPEED: beyond them
 * it asks for more than the jog velocity. */
enum fs_refusal {
    FS_REFUSAL_NONE,
    FS_REFUSAL_HELD,
    FS_REFUSAL_NOT_HOLDING,
    FS_REFUSAL_AWAY,
    FS_REFUSAL_JUMP,
    FS_REFUSAL_LIMIT,
    FS_REFUSAL_SPEED,
    FS_REFUSAL_BEYOND_SPEED
};
enum fs_power { FS_STEADY_S = 60 };
enum fs_hold_to_run { FS_LONGEST_HOLD_NS = 1000000000 };
/* UNJUDGED: not in OP yet, or on the way down. EXCUSED: what is missing is a told loss in non-essential groups.
 * LOW: neither that nor the whole, or no frame came back. */
enum fs_wkc_verdict { FS_WKC_UNJUDGED, FS_WKC_WHOLE, FS_WKC_EXCUSED, FS_WKC_LOW };
enum fs_setpoint_flag { FS_SETPOINT_LAST = 1 }; /* the stream ends at rest here */
enum fs_sample_flag { FS_SAMPLE_LOST = 1, FS_SAMPLE_LATE = 2, FS_SAMPLE_WKC = 4, FS_SAMPLE_OP = 8 };
enum fs_estop_source {
    FS_ESTOP_OPERATOR,
    FS_ESTOP_API,
    FS_ESTOP_POLICY,
    FS_ESTOP_GUARD,
    FS_ESTOP_RT,
    FS_ESTOP_CORE,
    FS_ESTOP_EXTERNAL,
    FS_ESTOP_OTHER
};
enum fs_ha_state {
    FS_HA_NEVER,
    FS_HA_OPERATIONAL,
    FS_HA_DEGRADED,
    FS_HA_SAFE_MODE,
    FS_HA_RECOVERY,
    FS_HA_MANUAL_INTERVENTION,
    FS_HA_SHUTDOWN
};
enum fs_guard_state { FS_GUARD_OFF, FS_GUARD_IDLE, FS_GUARD_ARMED, FS_GUARD_TRIPPED };
enum fs_trip_cause { FS_TRIP_NONE, FS_TRIP_DEAD, FS_TRIP_SILENT, FS_TRIP_ESTOP_IGNORED, FS_TRIP_CORRUPT };
enum fs_core_state { FS_CORE_NEVER, FS_CORE_WAITING, FS_CORE_MOVING, FS_CORE_STOPPED };
enum fs_inject { FS_INJECT_NONE, FS_INJECT_SPIN, FS_INJECT_SEGV, FS_INJECT_DIE_IN_WRITE, FS_INJECT_HANG };
/* subject, a, b, c of each code: see fieldstack_rt/datastore/events.py */
enum fs_event_code {
    FS_EV_NONE,
    FS_EV_CYCLE_STARTED,
    FS_EV_CYCLE_STOPPED,
    FS_EV_LATE_WAKEUP,
    FS_EV_FRAME_LOST,
    FS_EV_WKC_LOW,
    FS_EV_WKC_BACK,
    FS_EV_ESTOP_OBEYED,
    FS_EV_ESTOP_CLEARED,
    FS_EV_NONRT_SILENT,
    FS_EV_NONRT_BACK,
    FS_EV_STREAM_STARTED,
    FS_EV_STREAM_ENDED,
    FS_EV_STREAM_DRY,
    FS_EV_STREAM_REFUSED,
    FS_EV_AXIS_FAULT,
    FS_EV_AXIS_FAULT_CLEARED,
    FS_EV_AXES_ENABLED,
    FS_EV_STOP_REASON,
    FS_EV_NONRT_NEVER,
    FS_EV_NONRT_SLOW,
    FS_EV_NONRT_DEAD,
    FS_EV_NONRT_STOPPING,
    FS_EV_AGENT_WORDS,
    FS_EV_AXIS_STOP,
    FS_EV_AXIS_JOINED,
    FS_EV_AXIS_OUT,
    FS_EV_SLAVES_EXCUSED,
    FS_EV_STREAM_DAMAGED,
    FS_EV_STREAM_GAP,
    FS_EV_HOLD_ENDED,
    FS_EV_AWAIT_START,
    FS_EV_START,
    FS_EV_NONRT_HOLD_OVER,
    FS_EV_AXES_STAND = 48,
    FS_EV_STOP_IGNORED,
    FS_EV_AXIS_RUNS_ON,
    FS_EV_SLAVE_STATE = 64,
    FS_EV_SLAVE_LOST,
    FS_EV_SLAVE_RECOVERED,
    FS_EV_BUS_OP,
    FS_EV_POSITIONS_CHECKED,
    FS_EV_POSITIONS_DIFFER,
    FS_EV_SETUP_DEGRADED,
    FS_EV_BUS_COMMAND,
    FS_EV_SLAVE_RESTART,
    FS_EV_GROUP_POWERED,
    FS_EV_SLAVE_NOT_BACK,
    FS_EV_SLAVE_NO_PART,
    FS_EV_MAILBOX_RETRY,
    FS_EV_MEMORY_LOST = 96,
    FS_EV_MEMORY_MENDED,
    FS_EV_STOP_OBJECT_ABSENT = 112
};

#endif

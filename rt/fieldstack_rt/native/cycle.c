#define _GNU_SOURCE
#include "cycle.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store.h"
#include "thread.h"

typedef int (*send_function)(void *context);
typedef int (*receive_function)(void *context, int timeout_us);

enum command { COMMAND_IDLE, COMMAND_RUN, COMMAND_HALT, COMMAND_RELEASE };

struct fs_cycle {
    fs_store *store;
    pthread_t thread;
    fs_thread_setup setup;
    uint64_t lock_timeout_ns;
    int lock_error;
    uint32_t command, ready, halted;         /* between Python's thread and this one: atomic */
    uint32_t enabled, supervised, quiesce, standing;

    fs_cycle_config config;
    send_function send;
    receive_function receive;

    /* the cycle thread's own */
    fs_rt_status status;
    fs_axis axes[64];
    uint64_t next_ns, nonrt_beat, start_reset_count;
    uint32_t nonrt_quiet, nonrt_seen, own_resets, was_enabled, all_enabled, silent_told, wkc_told, faults_told;
    uint64_t finished_stream;                /* setpoints of this stream and before are void */
    long preemptions;
    uint32_t late_answers;                   /* cycles for which answers of earlier ones may still come */
    int dry, op_seen;
};

static void tell(fs_cycle *cycle, uint64_t now, uint32_t code, uint32_t subject, int64_t a, int64_t b, int64_t c) {
    fs_event_push(&cycle->store->cycle_events, now, code, subject, a, b, c);
}

/* ---- waking up ---- */

static void sleep_until(uint64_t at_ns) {
    struct timespec at = { (time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u) };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

/* How often the kernel took the CPU from this thread: tells preemption from a stalled machine. */
static long preemptions_so_far(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static void note_late_wakeup(fs_cycle *cycle, uint64_t now, uint64_t late) {
    uint64_t skipped = late / cycle->config.cycle_time_ns;
    long preemptions = preemptions_so_far();
    cycle->status.late_wakeups++;
    cycle->status.skipped_cycles += skipped;
    cycle->next_ns += skipped * cycle->config.cycle_time_ns; /* go on in phase: no burst of stale cycles */
    tell(cycle, now, FS_EV_LATE_WAKEUP, 0, (int64_t)late, preemptions - cycle->preemptions, (int64_t)skipped);
    cycle->preemptions = preemptions;
}

static uint32_t wake(fs_cycle *cycle) {
    cycle->next_ns += cycle->config.cycle_time_ns;
    sleep_until(cycle->next_ns);
    uint64_t now = fs_now_ns();
    uint64_t late = now > cycle->next_ns ? now - cycle->next_ns : 0;
    cycle->status.wake_ns = late > UINT32_MAX ? UINT32_MAX : (uint32_t)late;
    fs_histogram_add(&cycle->store->statistics.wake, late);
    if (late < cycle->config.cycle_time_ns) return 0;
    note_late_wakeup(cycle, now, late);
    return FS_SAMPLE_LATE;
}

/* ---- why the axes must stand ---- */

/* Counts cycles without progress, not time: a stalled machine is not a silent Non-RT process. */
static int nonrt_silent(fs_cycle *cycle, uint64_t now) {
    uint64_t beat = fs_load64(&cycle->store->nonrt_beat);
    if (beat != cycle->nonrt_beat) {
        cycle->nonrt_beat = beat;
        cycle->nonrt_quiet = 0;
        cycle->nonrt_seen = 1;
        if (cycle->silent_told) tell(cycle, now, FS_EV_NONRT_BACK, 0, (int64_t)beat, 0, 0);
        cycle->silent_told = 0;
        return 0;
    }
    if (!cycle->nonrt_seen) return 1; /* never seen: nothing to tell, and nothing may move */
    if (++cycle->nonrt_quiet <= cycle->config.nonrt_timeout_cycles) return 0;
    if (!cycle->silent_told) tell(cycle, now, FS_EV_NONRT_SILENT, 0, cycle->nonrt_quiet, (int64_t)beat, 0);
    cycle->silent_told = 1;
    return 1;
}

static int any_axis_faulted(fs_cycle *cycle, uint64_t now) {
    int any = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        int faulted = fs_axis_faulted(&cycle->axes[i]);
        uint32_t bit = 1u << (i % 32);
        if (i < 32 && faulted != !!(cycle->faults_told & bit)) {
            uint32_t code = faulted ? FS_EV_AXIS_FAULT : FS_EV_AXIS_FAULT_CLEARED;
            tell(cycle, now, code, i, cycle->axes[i].state.error_code, cycle->axes[i].state.statusword, 0);
            cycle->faults_told ^= bit;
        }
        any |= faulted;
    }
    return any;
}

static uint32_t stop_reason(fs_cycle *cycle, uint64_t now) {
    int silent = nonrt_silent(cycle, now), faulted = any_axis_faulted(cycle, now);
    if (cycle->status.estop_seen) return FS_STOP_ESTOP;
    if (fs_load32(&cycle->quiesce)) return FS_STOP_SHUTDOWN;
    if (cycle->status.bad_wkc_row >= cycle->config.wkc_limit) return FS_STOP_WKC;
    if (faulted) return FS_STOP_AXIS_FAULT;
    if (silent) return FS_STOP_NONRT_SILENT;
    if (!fs_load32(&cycle->store->motion_permit)) return FS_STOP_PERMIT;
    if (cycle->dry) return FS_STOP_DRY;
    return cycle->all_enabled ? FS_STOP_NONE : FS_STOP_NOT_ENABLED;
}

static void obey_latch(fs_cycle *cycle, uint64_t now) {
    uint64_t latch = fs_estop_word(cycle->store);
    if (latch == cycle->status.estop_seen) return;
    uint32_t code = latch ? FS_EV_ESTOP_OBEYED : FS_EV_ESTOP_CLEARED;
    tell(cycle, now, code, 0, (int64_t)(latch & UINT32_MAX), (int64_t)(latch >> 32), (int64_t)cycle->status.cycle);
    cycle->status.estop_seen = latch;
}

/* ---- setpoints ---- */

static void end_stream(fs_cycle *cycle, uint64_t now, uint32_t state, uint32_t code, uint32_t axis) {
    cycle->status.stream_state = state;
    cycle->finished_stream = cycle->status.stream;
    if (code) tell(cycle, now, code, axis, (int64_t)cycle->status.stream, (int64_t)cycle->status.setpoint_tail, 0);
}

static const fs_setpoint *next_valid(fs_cycle *cycle) {
    enum { DROPS_A_CYCLE = 128 };
    fs_setpoint_ring *ring = &cycle->store->setpoints;
    for (int drops = 0; drops < DROPS_A_CYCLE; drops++) {
        const fs_setpoint *setpoint = fs_setpoint_peek(ring);
        if (!setpoint || setpoint->stream > cycle->finished_stream) return setpoint;
        fs_setpoint_drop(ring);
    }
    return NULL;
}

static int begin_stream(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint) {
    cycle->status.stream = setpoint->stream;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (fs_axis_accepts(&cycle->axes[i], &cycle->config.axes[i], setpoint->position[i])) continue;
        end_stream(cycle, now, FS_STREAM_REFUSED, FS_EV_STREAM_REFUSED, i);
        return 0;
    }
    cycle->status.stream_state = FS_STREAM_PLAYING;
    tell(cycle, now, FS_EV_STREAM_STARTED, 0, (int64_t)setpoint->stream, 0, 0);
    return 1;
}

static void copy_spans(uint8_t *image, const fs_span *spans, uint32_t count, uint8_t *packed, uint32_t room,
                       uint32_t *used, int to_image) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < count && at + spans[i].size <= room; at += spans[i].size, i++) {
        if (to_image) memcpy(image + spans[i].offset, packed + at, spans[i].size);
        else memcpy(packed + at, image + spans[i].offset, spans[i].size);
    }
    *used = at;
}

/* All axes take the setpoint or none does. */
static int play(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint, double dt_s) {
    fs_axis before[64];
    uint32_t count = cycle->config.axis_count;
    memcpy(before, cycle->axes, count * sizeof(fs_axis));
    for (uint32_t i = 0; i < count; i++) {
        const fs_axis_config *axis = &cycle->config.axes[i];
        if (fs_axis_follow(&cycle->axes[i], axis, setpoint->position[i], setpoint->velocity[i], dt_s) == 0) continue;
        memcpy(cycle->axes, before, count * sizeof(fs_axis));
        end_stream(cycle, now, FS_STREAM_REFUSED, FS_EV_STREAM_REFUSED, i);
        cycle->dry = 1;
        return 0;
    }
    memcpy(cycle->status.io_outputs, setpoint->io, sizeof cycle->status.io_outputs);
    uint32_t last = setpoint->flags & FS_SETPOINT_LAST;
    fs_setpoint_drop(&cycle->store->setpoints);
    cycle->status.setpoint_tail = cycle->store->setpoints.tail;
    if (last) end_stream(cycle, now, FS_STREAM_ENDED, FS_EV_STREAM_ENDED, 0);
    return 1;
}

static int all_standing(const fs_cycle *cycle) {
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (!fs_axis_standing(&cycle->axes[i])) return 0;
    return 1;
}

/* Takes this cycle's setpoint if there is one and it may be played; 1: the axes follow. */
static int take_setpoint(fs_cycle *cycle, uint64_t now, uint32_t stop, double dt_s) {
    int playing = cycle->status.stream_state == FS_STREAM_PLAYING;
    if (stop != FS_STOP_NONE && stop != FS_STOP_DRY) {
        if (playing) end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
        return 0;
    }
    if (!playing && (!cycle->all_enabled || !all_standing(cycle))) return 0;
    if (!playing) cycle->dry = 0; /* standing again: a new stream may begin */
    const fs_setpoint *setpoint = next_valid(cycle);
    if (playing && (!setpoint || setpoint->stream != cycle->status.stream)) {
        end_stream(cycle, now, FS_STREAM_DRY, FS_EV_STREAM_DRY, 0);
        cycle->dry = 1;
        return 0;
    }
    if (!setpoint || (!playing && !begin_stream(cycle, now, setpoint))) return 0;
    return play(cycle, now, setpoint, dt_s);
}

/* ---- outputs and inputs ---- */

static void follow_enabling(fs_cycle *cycle, uint64_t now) {
    uint32_t enabled = fs_load32(&cycle->enabled);
    if (enabled && !cycle->was_enabled) cycle->own_resets++; /* faults of the time before are reset once */
    cycle->was_enabled = enabled;
    uint32_t all = enabled && cycle->config.axis_count > 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) all = all && fs_axis_enabled(&cycle->axes[i]);
    if (all && !cycle->all_enabled) tell(cycle, now, FS_EV_AXES_ENABLED, 0, cycle->config.axis_count, 0, 0);
    cycle->all_enabled = all;
}

static void prepare_outputs(fs_cycle *cycle, uint64_t now) {
    const fs_cycle_config *config = &cycle->config;
    uint8_t *outputs = (uint8_t *)(uintptr_t)config->outputs;
    double dt_s = (double)config->cycle_time_ns * 1e-9;
    obey_latch(cycle, now);
    follow_enabling(cycle, now);
    uint32_t stop = stop_reason(cycle, now);
    if (stop != cycle->status.stop_reason) tell(cycle, now, FS_EV_STOP_REASON, 0, stop, cycle->status.stop_reason, 0);
    cycle->status.stop_reason = stop;
    int following = take_setpoint(cycle, now, stop, dt_s);
    fs_axis_demand demand = { stop, fs_load32(&cycle->store->reset_count) + cycle->own_resets,
                              cycle->was_enabled && stop != FS_STOP_ESTOP &&
                                  !(stop == FS_STOP_SHUTDOWN && all_standing(cycle)),
                              dt_s };
    memcpy(outputs, config->safe_image, config->outputs_size);
    for (uint32_t i = 0; i < config->axis_count; i++) {
        fs_axis_step(&cycle->axes[i], &config->axes[i], &demand, following);
        fs_axis_write(&cycle->axes[i], &config->axes[i], outputs);
    }
    int io_live = stop <= FS_STOP_DRY; /* plain outputs: category 0, safe as soon as anything else stops the axes */
    copy_spans(outputs, config->io_outputs, config->io_output_spans, cycle->status.io_outputs,
               sizeof cycle->status.io_outputs, &cycle->status.outputs_size, io_live);
}

static void take_inputs(fs_cycle *cycle) {
    const fs_cycle_config *config = &cycle->config;
    uint8_t *inputs = (uint8_t *)(uintptr_t)config->inputs;
    for (uint32_t i = 0; i < config->axis_count; i++) fs_axis_read(&cycle->axes[i], &config->axes[i], inputs);
    copy_spans(inputs, config->io_inputs, config->io_input_spans, cycle->status.io_inputs,
               sizeof cycle->status.io_inputs, &cycle->status.inputs_size, 0);
}

/* ---- the exchange ---- */

static uint32_t judge_wkc(fs_cycle *cycle, uint64_t now, uint64_t elapsed) {
    fs_rt_status *status = &cycle->status;
    uint32_t supervised = fs_load32(&cycle->supervised);
    if (status->wkc == status->expected_wkc) {
        if (cycle->wkc_told) tell(cycle, now, FS_EV_WKC_BACK, 0, status->bad_wkc_row, 0, 0);
        cycle->wkc_told = status->bad_wkc_row = 0;
        return supervised ? FS_SAMPLE_OP : 0;
    }
    if (!supervised) return 0;
    status->wkc_errors++;
    status->bad_wkc_row++;
    if (status->wkc < 0) {
        status->lost_frames++;
        if (status->bad_wkc_row == 1) tell(cycle, now, FS_EV_FRAME_LOST, 0, (int64_t)elapsed, status->wake_ns, 0);
        cycle->wkc_told = 1;
        return FS_SAMPLE_LOST | FS_SAMPLE_OP;
    }
    if (!cycle->wkc_told || status->bad_wkc_row == 1)
        tell(cycle, now, FS_EV_WKC_LOW, 0, status->wkc, status->expected_wkc, 0);
    cycle->wkc_told = 1;
    return FS_SAMPLE_WKC | FS_SAMPLE_OP;
}

/* Throws away what waits on the socket; how many answers to process data were among it. An acyclic answer
 * that goes with them is asked for again by SOEM. */
static int discard_waiting(const fs_cycle *cycle) {
    enum { MOST_FRAMES = 4096, COMMAND_OFFSET = 16, LRD = 10, LRW = 12 };
    uint8_t head[COMMAND_OFFSET + 1];
    int cyclic = 0;
    if (cycle->config.socket < 0) return 0;
    for (int frames = 0; frames < MOST_FRAMES; frames++) {
        ssize_t size = recv(cycle->config.socket, head, sizeof head, MSG_DONTWAIT);
        if (size < 0) break;
        cyclic += size == sizeof head && head[COMMAND_OFFSET] >= LRD && head[COMMAND_OFFSET] <= LRW;
    }
    return cyclic;
}

/* SOEM knows an answer by an index that returns after 16 frames. When a stall ends, the answers to all frames
 * of that time come at once; one of them would pass for the newest, and from then on each exchange would take
 * data that are a multiple of 16 cycles old. So for a while after a lost frame late answers are thrown away
 * before each exchange, and an answer with another behind it was not the newest. */
static int exchange_afresh(fs_cycle *cycle, void *context) {
    enum { WATCH_CYCLES = 64 };
    if (cycle->late_answers && discard_waiting(cycle)) cycle->late_answers = WATCH_CYCLES;
    cycle->send(context);
    int wkc = cycle->receive(context, (int)cycle->config.receive_timeout_us);
    if (cycle->late_answers && wkc >= 0 && discard_waiting(cycle)) wkc = -1;
    if (wkc < 0) cycle->late_answers = WATCH_CYCLES;
    else if (cycle->late_answers) cycle->late_answers--;
    return wkc;
}

static uint32_t exchange(fs_cycle *cycle) {
    void *context = (void *)(uintptr_t)cycle->config.context;
    uint64_t start = fs_now_ns();
    int wkc = exchange_afresh(cycle, context);
    uint64_t end = fs_now_ns();
    cycle->status.exchange_ns = (uint32_t)(end - start);
    cycle->status.wkc = wkc < 0 ? -1 : wkc;
    if (wkc >= 0) fs_histogram_add(&cycle->store->statistics.exchange, end - start);
    return judge_wkc(cycle, end, end - start);
}

static void publish(fs_cycle *cycle, uint32_t flags) {
    fs_store *store = cycle->store;
    fs_rt_status *status = &cycle->status;
    status->cycle++;
    status->cycle_ns = fs_now_ns();
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) status->axes[i] = cycle->axes[i].state;
    fs_block_write(store, FS_BLOCK_RT_STATUS, status);
    fs_rt_statistics *statistics = &store->statistics;
    uint64_t head = statistics->sample_head;
    statistics->samples[head % (sizeof statistics->samples / sizeof statistics->samples[0])] =
        (fs_cycle_sample){ status->cycle, status->wake_ns, status->exchange_ns, status->wkc, flags };
    fs_set64(&statistics->sample_head, head + 1);
    fs_set64(&store->rt_beat_ns, status->cycle_ns);
    fs_add64(&store->rt_beat, 1);
    uint32_t stands = all_standing(cycle);
    for (uint32_t i = 0; stands && i < cycle->config.axis_count; i++) stands = !fs_axis_enabled(&cycle->axes[i]);
    fs_set32(&cycle->standing, stands);
}

/* Real faults of a real thread, for tests and benchmarks: only where --fault-injection allows them. */
static void inject(fs_cycle *cycle) {
    static volatile int *volatile nowhere;
    uint32_t what = fs_load32(&cycle->store->rt_inject);
    if (what == FS_INJECT_NONE || !cycle->config.fault_injection) return;
    fs_set32(&cycle->store->rt_inject, FS_INJECT_NONE);
    switch (what) {
    case FS_INJECT_SPIN: for (volatile int spin = 1; spin;) {} break;
    case FS_INJECT_SEGV: *nowhere = 0; break;
    case FS_INJECT_HANG: for (;;) pause();
    case FS_INJECT_DIE_IN_WRITE:
        fs_block_tear(cycle->store, FS_BLOCK_RT_STATUS);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    default: break;
    }
}

static void one_cycle(fs_cycle *cycle) {
    uint32_t flags = wake(cycle);
    inject(cycle);
    prepare_outputs(cycle, cycle->next_ns);
    flags |= exchange(cycle);
    if (cycle->status.wkc >= 0) take_inputs(cycle);
    publish(cycle, flags);
}

/* ---- the thread ---- */

static void await_command(fs_cycle *cycle) {
    while (fs_load32(&cycle->command) == COMMAND_IDLE)
        sleep_until(fs_now_ns() + 200000);
}

static void run_cycles(fs_cycle *cycle) {
    cycle->nonrt_beat = fs_load64(&cycle->store->nonrt_beat);
    cycle->status.stream = cycle->finished_stream = cycle->store->rt_status.stream; /* left by a predecessor: void */
    cycle->preemptions = preemptions_so_far();
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        cycle->axes[i].reset_seen = fs_load32(&cycle->store->reset_count);
    uint64_t period = cycle->config.cycle_time_ns;
    cycle->next_ns = (fs_now_ns() / period + 1) * period + period / 8 * FS_CYCLE_PHASE_EIGHTHS;
    tell(cycle, fs_now_ns(), FS_EV_CYCLE_STARTED, 0, (int64_t)period, cycle->config.axis_count, 0);
    one_cycle(cycle);
    fs_set32(&cycle->store->rt_phase, FS_RT_CYCLING);
    while (fs_load32(&cycle->command) == COMMAND_RUN) one_cycle(cycle);
    tell(cycle, fs_now_ns(), FS_EV_CYCLE_STOPPED, 0, (int64_t)cycle->status.cycle, 0, 0);
}

static void *cycle_thread(void *argument) {
    fs_cycle *cycle = argument;
    fs_store *store = cycle->store;
    fs_set32(&store->rt_claim, (uint32_t)getpid());
    cycle->lock_error = fs_lock_claim(store, cycle->lock_timeout_ns);
    if (cycle->lock_error == EOWNERDEAD) cycle->lock_error = 0;
    if (cycle->lock_error == 0) {
        fs_thread_prepare(&cycle->setup);
        fs_set32(&store->rt_inject, FS_INJECT_NONE);
        cycle->status.epoch = fs_add64(&store->rt_epoch, 1);
        cycle->status.started_ns = fs_now_ns();
        fs_set32(&store->header.rt_pid, (uint32_t)getpid());
        fs_set32(&store->rt_tid, (uint32_t)syscall(SYS_gettid));
        fs_set32(&store->rt_phase, FS_RT_STARTING);
    }
    fs_set32(&store->rt_claim, 0);
    fs_set32(&cycle->ready, 1);
    if (cycle->lock_error) return NULL;
    await_command(cycle);
    if (fs_load32(&cycle->command) == COMMAND_RUN) run_cycles(cycle);
    fs_set32(&store->rt_phase, FS_RT_STOPPING);
    fs_set32(&cycle->halted, 1);
    while (fs_load32(&cycle->command) != COMMAND_RELEASE) sleep_until(fs_now_ns() + 1000000);
    fs_set32(&store->rt_phase, FS_RT_STOPPED);
    fs_lock_release(store);
    return NULL;
}

int fs_cycle_start(fs_store *store, int32_t cpu, int32_t priority, uint64_t lock_timeout_ns, fs_cycle **out) {
    *out = NULL;
    fs_cycle *cycle = calloc(1, sizeof *cycle);
    if (!cycle) return ENOMEM;
    cycle->store = store;
    cycle->setup = (fs_thread_setup){ cpu, priority, 0 };
    cycle->lock_timeout_ns = lock_timeout_ns;
    int error = fs_thread_start(&cycle->thread, cycle_thread, cycle);
    if (error) {
        free(cycle);
        return error;
    }
    while (!fs_load32(&cycle->ready)) sleep_until(fs_now_ns() + 100000);
    if (cycle->lock_error == 0) {
        *out = cycle;
        return 0;
    }
    error = cycle->lock_error;
    pthread_join(cycle->thread, NULL);
    free(cycle);
    return error;
}

uint32_t fs_cycle_degraded(const fs_cycle *cycle) { return cycle->setup.degraded; }

static int in_image(int32_t offset, int32_t size, uint32_t image) { return offset < 0 || (uint32_t)(offset + size) <= image; }

static int offsets_fit(const fs_cycle_config *config) {
    for (uint32_t i = 0; i < config->axis_count; i++) {
        const fs_axis_config *axis = &config->axes[i];
        uint32_t out = config->outputs_size, in = config->inputs_size;
        if (!in_image(axis->controlword, 2, out) || !in_image(axis->mode, 1, out) ||
            !in_image(axis->target_position, 4, out) || !in_image(axis->target_velocity, 4, out) ||
            !in_image(axis->statusword, 2, in) || !in_image(axis->mode_display, 1, in) ||
            !in_image(axis->position, 4, in) || !in_image(axis->velocity, 4, in) ||
            !in_image(axis->torque, 2, in) || !in_image(axis->error_code, 2, in))
            return 0;
    }
    for (uint32_t i = 0; i < config->io_output_spans; i++)
        if (config->io_outputs[i].offset + config->io_outputs[i].size > config->outputs_size) return 0;
    for (uint32_t i = 0; i < config->io_input_spans; i++)
        if (config->io_inputs[i].offset + config->io_inputs[i].size > config->inputs_size) return 0;
    return 1;
}

int fs_cycle_run(fs_cycle *cycle, const fs_cycle_config *config) {
    if (config->axis_count > 64 || config->io_output_spans > 64 || config->io_input_spans > 64 ||
        config->outputs_size > sizeof config->safe_image || config->cycle_time_ns == 0 || !offsets_fit(config))
        return EINVAL;
    cycle->config = *config;
    cycle->send = (send_function)(uintptr_t)config->send;
    cycle->receive = (receive_function)(uintptr_t)config->receive;
    cycle->status.expected_wkc = config->expected_wkc;
    cycle->status.axis_count = config->axis_count;
    cycle->status.wkc = -1;
    fs_set32(&cycle->command, COMMAND_RUN);
    return 0;
}

void fs_cycle_set_supervised(fs_cycle *cycle, int in_op) { fs_set32(&cycle->supervised, (uint32_t)in_op); }
void fs_cycle_set_enabled(fs_cycle *cycle, int enabled) { fs_set32(&cycle->enabled, (uint32_t)enabled); }
void fs_cycle_quiesce(fs_cycle *cycle) { fs_set32(&cycle->quiesce, 1); }
int fs_cycle_standing(const fs_cycle *cycle) { return (int)fs_load32(&cycle->standing); }

void fs_cycle_halt(fs_cycle *cycle) {
    fs_set32(&cycle->command, COMMAND_HALT);
    fs_set32(&cycle->store->rt_phase, FS_RT_STOPPING);
    while (!fs_load32(&cycle->halted)) {
        if (fs_load32(&cycle->command) != COMMAND_HALT) return;
        sleep_until(fs_now_ns() + 100000);
    }
}

void fs_cycle_release(fs_cycle *cycle) {
    fs_set32(&cycle->command, COMMAND_RELEASE);
    pthread_join(cycle->thread, NULL);
    free(cycle);
}

#define _GNU_SOURCE
#include "cycle.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cycle_state.h"
#include "store.h"

void fs_cycle_tell(fs_cycle *cycle, uint64_t now, uint32_t code, uint32_t subject, int64_t a, int64_t b, int64_t c) {
    fs_event_push(&cycle->store->cycle_events, now, code, subject, a, b, c);
}

uint64_t fs_cycle_axes(const fs_cycle *cycle) {
    uint32_t count = cycle->config.axis_count;
    return count == FS_MAX_AXES ? UINT64_MAX : (1ull << count) - 1;
}

int fs_cycle_standing_all(const fs_cycle *cycle, uint64_t axes) {
    axes &= ~fs_load64(&cycle->lost);
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (axes >> i & 1 && !fs_axis_standing(&cycle->axes[i])) return 0;
    return 1;
}

static int all_at_rest(const fs_cycle *cycle, double dt_s) {
    uint64_t known = ~fs_load64(&cycle->lost);
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (known >> i & 1 && !fs_axis_at_rest(&cycle->axes[i], &cycle->config.axes[i], dt_s)) return 0;
    return 1;
}

/* ---- waking up ---- */

static void sleep_until(uint64_t at_ns) {
    struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
}

long fs_cycle_new_preemptions(fs_cycle *cycle) {
    struct rusage usage;
    long before = cycle->preemptions;
    if (getrusage(RUSAGE_THREAD, &usage) == 0) cycle->preemptions = usage.ru_nivcsw;
    return cycle->preemptions - before;
}

static const uint32_t LONGEST_GAP = UINT32_C(1) << 30;

static void note_late_wakeup(fs_cycle *cycle, uint64_t now, uint64_t late) {
    uint64_t skipped = late / cycle->config.cycle_time_ns;
    cycle->status.late_wakeups++;
    cycle->status.skipped_cycles += skipped;
    cycle->next_ns += skipped * cycle->config.cycle_time_ns; /* go on in phase: no burst of stale cycles */
    cycle->behind = skipped > LONGEST_GAP ? LONGEST_GAP : (uint32_t)skipped;
    fs_cycle_tell(cycle, now, FS_EV_LATE_WAKEUP, 0, (int64_t)late, fs_cycle_new_preemptions(cycle), (int64_t)skipped);
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

/* ---- outputs and inputs ---- */

static void copy_spans(uint8_t *image, const fs_span *spans, uint32_t count, uint8_t *packed, uint32_t room,
                       uint32_t *used, int to_image) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < count && spans[i].size <= room - at; at += spans[i].size, i++) {
        if (to_image) memcpy(image + spans[i].offset, packed + at, spans[i].size);
        else memcpy(packed + at, image + spans[i].offset, spans[i].size);
    }
    *used = at;
}

static void follow_enabling(fs_cycle *cycle, uint64_t now) {
    uint64_t enabled = fs_load64(&cycle->enabled), fresh = enabled & ~cycle->was_enabled;
    cycle->was_enabled = cycle->status.axes_confirmed = enabled;
    uint32_t all = enabled && cycle->config.axis_count > 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        cycle->own_resets[i] += (uint32_t)(fresh >> i & 1); /* faults of the time before are reset once */
        all = all && fs_axis_enabled(&cycle->axes[i]);
    }
    if (all && !cycle->all_enabled) fs_cycle_tell(cycle, now, FS_EV_AXES_ENABLED, 0, cycle->config.axis_count, 0, 0);
    cycle->all_enabled = all;
}

/* Beyond the limit a drive no longer bridges what it misses: it slows down by itself, or faults. */
static void note_gap(fs_cycle *cycle) {
    cycle->gap = cycle->behind < LONGEST_GAP - cycle->gap ? cycle->gap + cycle->behind : LONGEST_GAP;
    if (cycle->gap < cycle->config.wkc_limit) return;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (!fs_axis_standing(&cycle->axes[i])) cycle->adrift |= 1ull << i;
}

static void prepare_outputs(fs_cycle *cycle, uint64_t now) {
    const fs_cycle_config *config = &cycle->config;
    note_gap(cycle);
    uint8_t *outputs = (uint8_t *)(uintptr_t)config->outputs;
    double dt_s = (double)config->cycle_time_ns * 1e-9;
    fs_cycle_obey_latch(cycle, now);
    follow_enabling(cycle, now);
    uint32_t stop = fs_cycle_stop_reason(cycle, now);
    if (stop != cycle->status.stop_reason)
        fs_cycle_tell(cycle, now, FS_EV_STOP_REASON, 0, stop, cycle->status.stop_reason, 0);
    cycle->status.stop_reason = stop;
    uint32_t behind = cycle->behind; /* drives carried on meanwhile: motion is true to time, or it would jump back */
    cycle->behind = 0;
    uint64_t following = fs_cycle_take_setpoint(cycle, now, stop, behind, dt_s);
    cycle->status.axes_playing = following;
    int give = fs_cycle_keeps_power(cycle, stop);
    int keep = give || (stop != FS_STOP_ESTOP && !all_at_rest(cycle, dt_s));
    cycle->resets = fs_reset_count(cycle->store, cycle->resets);
    memcpy(outputs, config->safe_image, config->outputs_size);
    for (uint32_t i = 0; i < config->axis_count; i++) {
        fs_axis_demand demand = {fs_cycle_axis_stop(cycle, i, stop),  cycle->resets + cycle->own_resets[i],
                                 give && cycle->was_enabled >> i & 1, dt_s * (1.0 + behind),
                                 keep && cycle->was_enabled >> i & 1, 0};
        fs_cycle_watch_stop(cycle, now, i, demand.stop);
        demand.stands = cycle->stands[i].stood || cycle->stands[i].stand == FS_STAND_STANDING;
        int32_t error_before = cycle->axes[i].state.following_error;
        fs_axis_step(&cycle->axes[i], &config->axes[i], &demand, (int)(following >> i & 1));
        if (cycle->status.axes_lost >> i & 1) cycle->axes[i].state.following_error = 0;
        else if (cycle->status.bad_wkc_row) cycle->axes[i].state.following_error = error_before; /* position is stale */
        fs_cycle_write_axis(cycle, i, outputs);
    }
    int io_live = stop <= FS_STOP_UNDERRUN; /* plain outputs: category 0, safe once anything else stops the axes */
    copy_spans(outputs, config->io_outputs, config->io_output_spans, cycle->status.io_outputs,
               sizeof cycle->status.io_outputs, &cycle->status.outputs_size, io_live);
    fs_cycle_close_watch(cycle, now, outputs);
}

static void take_inputs(fs_cycle *cycle) {
    const fs_cycle_config *config = &cycle->config;
    uint8_t *inputs = (uint8_t *)(uintptr_t)config->inputs;
    copy_spans(inputs, config->io_inputs, config->io_input_spans, cycle->status.io_inputs,
               sizeof cycle->status.io_inputs, &cycle->status.inputs_size, 0);
}

/* With the first inputs of all slaves that are certain: the targets of axes that are adrift go on from where their motors
 * are. An answer that was taken for the newest and was not betrays itself in the exchange after it. */
static void end_gap(fs_cycle *cycle) {
    enum { CERTAIN = 2 };
    const fs_cycle_config *config = &cycle->config;
    double dt_s = (double)config->cycle_time_ns * 1e-9;
    if (cycle->status.wkc > 0) cycle->gap = 0;
    if (!cycle->adrift || cycle->sure_row < CERTAIN) return;
    for (uint32_t i = 0; i < config->axis_count; i++)
        if (cycle->adrift >> i & 1) fs_axis_catch(&cycle->axes[i], &config->axes[i], dt_s);
    cycle->adrift = 0;
}

static void publish(fs_cycle *cycle, uint32_t flags) {
    fs_store *store = cycle->store;
    fs_rt_status *status = &cycle->status;
    status->cycle++;
    status->cycle_ns = fs_now_ns();
    int missed =
        (flags & FS_SAMPLE_LATE) || (uint64_t)status->wake_ns + status->exchange_ns > cycle->config.cycle_time_ns;
    status->late_row = missed ? status->late_row + 1 : 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) status->axes[i] = cycle->axes[i].state;
    fs_block_write(store, FS_BLOCK_RT_STATUS, status);
    fs_rt_statistics *statistics = &store->statistics;
    uint64_t head = statistics->sample_head;
    statistics->samples[head % FS_MAX_SAMPLES] =
        (fs_cycle_sample){status->cycle, status->wake_ns, status->exchange_ns, status->wkc, flags};
    fs_set64(&statistics->sample_head, head + 1);
    fs_life_beat(cycle, status->cycle_ns);
    fs_set32(&cycle->standing, (uint32_t)fs_cycle_at_stand(cycle));
}

/* Real faults of a real thread, for tests and benchmarks: only where --fault-injection allows them. */
static void inject(fs_cycle *cycle) {
    static volatile int *volatile nowhere;
    uint32_t what = fs_load32(&cycle->store->rt_inject);
    if (what == FS_INJECT_NONE || !cycle->config.fault_injection) return;
    fs_set32(&cycle->store->rt_inject, FS_INJECT_NONE);
    switch (what) {
    case FS_INJECT_SPIN:
        for (volatile int spin = 1; spin;) {}
        break;
    case FS_INJECT_SEGV: *nowhere = 0; break;
    case FS_INJECT_HANG:
        for (;;) pause();
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
    fs_cycle_mark_inputs(cycle);
    flags |= fs_cycle_exchange(cycle);
    fs_cycle_see_axes(cycle);
    if (cycle->status.wkc >= 0) take_inputs(cycle);
    fs_cycle_watch_start_input(cycle);
    if (cycle->gap < LONGEST_GAP) cycle->gap++;
    end_gap(cycle);
    publish(cycle, flags);
}

/* ---- the thread ---- */

static void run_cycles(fs_cycle *cycle) {
    fs_agent_begin(&cycle->agent, cycle->store, &cycle->config.agent, cycle->config.cycle_time_ns);
    fs_cycle_void_streams(cycle, fs_now_ns(), cycle->store->rt_status.stream); /* left by a predecessor */
    fs_cycle_new_preemptions(cycle);
    cycle->resets = fs_reset_count(cycle->store, 0);
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        cycle->axes[i].reset_seen = cycle->stands[i].reset_seen = cycle->resets;
    fs_cycle_all_await_start(cycle, fs_now_ns());
    uint64_t period = cycle->config.cycle_time_ns;
    cycle->next_ns = (fs_now_ns() / period + 1) * period + period / 8 * FS_CYCLE_PHASE_EIGHTHS;
    fs_cycle_tell(cycle, fs_now_ns(), FS_EV_CYCLE_STARTED, 0, (int64_t)period, cycle->config.axis_count, 0);
    one_cycle(cycle);
    cycle->phase = FS_RT_CYCLING;
    while (fs_load32(&cycle->command) == COMMAND_RUN) one_cycle(cycle);
    fs_cycle_tell(cycle, fs_now_ns(), FS_EV_CYCLE_STOPPED, 0, (int64_t)cycle->status.cycle, 0, 0);
}

static void *cycle_thread(void *argument) {
    fs_cycle *cycle = argument;
    cycle->lock_error = fs_life_begin(cycle);
    fs_set32(&cycle->ready, 1);
    if (cycle->lock_error) return NULL;
    fs_life_idle(cycle, COMMAND_IDLE);
    if (fs_load32(&cycle->command) == COMMAND_RUN) run_cycles(cycle);
    fs_life_end(cycle);
    return NULL;
}

int fs_cycle_start(fs_store *store, int32_t cpu, int32_t priority, uint64_t lock_timeout_ns, fs_cycle **out) {
    *out = NULL;
    fs_cycle *cycle = calloc(1, sizeof *cycle);
    if (!cycle) return ENOMEM;
    cycle->store = store;
    cycle->setup = (fs_thread_setup){cpu, priority, 0};
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
uint64_t fs_cycle_epoch(const fs_cycle *cycle) { return cycle->status.epoch; }
uint32_t fs_cycle_tid(const fs_cycle *cycle) { return cycle->tid; }

int fs_cycle_run(fs_cycle *cycle, const fs_cycle_config *config) {
    if (!fs_cycle_config_fits(config)) return EINVAL;
    cycle->config = *config;
    cycle->send = (send_function)(uintptr_t)config->send;
    cycle->receive = (receive_function)(uintptr_t)config->receive;
    cycle->status.expected_wkc = cycle->status.full_wkc = cycle->least_told = config->expected_wkc;
    cycle->status.axis_count = config->axis_count;
    cycle->status.wkc = -1;
    fs_set32(&cycle->command, COMMAND_RUN);
    return 0;
}

void fs_cycle_set_supervised(fs_cycle *cycle, int in_op) { fs_set32(&cycle->supervised, (uint32_t)in_op); }
void fs_cycle_set_enabled(fs_cycle *cycle, uint64_t axes) { fs_set64(&cycle->enabled, axes); }

void fs_cycle_set_lost(fs_cycle *cycle, uint64_t axes, int32_t wkc) {
    fs_set64(&cycle->lost, axes);
    fs_set32(&cycle->lost_wkc, (uint32_t)wkc);
}

void fs_cycle_set_essential_lost(fs_cycle *cycle, int lost) { fs_set32(&cycle->essential_lost, (uint32_t)lost); }

void fs_cycle_quiesce(fs_cycle *cycle) { fs_set32(&cycle->quiesce, 1); }
int fs_cycle_standing(const fs_cycle *cycle) { return (int)fs_load32(&cycle->standing); }

void fs_cycle_halt(fs_cycle *cycle) {
    fs_set32(&cycle->command, COMMAND_HALT);
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

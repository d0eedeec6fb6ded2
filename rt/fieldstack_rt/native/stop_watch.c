#define _GNU_SOURCE
#include <unistd.h>

#include "cycle_state.h"
#include "store.h"

static double period_s(const fs_cycle *cycle) { return (double)cycle->config.cycle_time_ns * 1e-9; }

void fs_cycle_mark_inputs(fs_cycle *cycle) {
    uint8_t *inputs = (uint8_t *)(uintptr_t)cycle->config.inputs;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) fs_axis_mark(&cycle->config.axes[i], inputs);
}

void fs_cycle_see_axes(fs_cycle *cycle) {
    const uint8_t *inputs = (const uint8_t *)(uintptr_t)cycle->config.inputs;
    int whole = cycle->status.wkc >= cycle->config.expected_wkc;
    cycle->fresh = 0;
    if (cycle->status.wkc < 0) return;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (!fs_axis_fresh(&cycle->config.axes[i], inputs)) continue;
        fs_axis_read(&cycle->axes[i], &cycle->config.axes[i], inputs);
        int empty = whole || cycle->axes[i].state.statusword ? 0 : 1; /* an LRD that nobody answered reads zeros */
        cycle->fresh |= empty ? 0 : 1ull << i;
    }
}

/* The outputs and AL states are the guard's from here on: it sees this thread's end at once. */
static void end_rt(fs_cycle *cycle) {
    fs_block_write(cycle->store, FS_BLOCK_RT_STATUS, &cycle->status);
    _exit(FS_EXIT_RUNS_ON);
}

static void publish_axis(fs_cycle *cycle, uint32_t axis) {
    const fs_standstill *seen = &cycle->stands[axis];
    fs_axis_state *state = &cycle->axes[axis].state;
    uint64_t bit = 1ull << axis;
    state->stand = seen->stand;
    state->speed =
        seen->stand == FS_STAND_UNKNOWN || seen->speed < 0 ? 0 : (uint32_t)(seen->speed < 4e9 ? seen->speed : 4e9);
    state->rung = (uint8_t)fs_standstill_rung(seen, &cycle->config.axes[axis]);
    state->ignores = seen->ignores;
    fs_rt_status *status = &cycle->status;
    status->axes_standing =
        seen->stand == FS_STAND_STANDING ? status->axes_standing | bit : status->axes_standing & ~bit;
    status->axes_run_on = fs_standstill_runs_on(seen) ? status->axes_run_on | bit : status->axes_run_on & ~bit;
}

static void tell_news(fs_cycle *cycle, uint64_t now, uint32_t axis, enum fs_standstill_news news) {
    const fs_standstill *seen = &cycle->stands[axis];
    const fs_axis_state *state = &cycle->axes[axis].state;
    if (news == FS_NEWS_IGNORES)
        fs_cycle_tell(cycle, now, FS_EV_STOP_IGNORED, axis, state->speed, (int64_t)seen->unobeyed_ns,
                      state->statusword);
    if (news != FS_NEWS_RUNG) return;
    uint64_t over_ns = seen->elapsed_ns > seen->unobeyed_ns ? seen->elapsed_ns : seen->unobeyed_ns;
    fs_cycle_tell(cycle, now, FS_EV_AXIS_RUNS_ON, axis, state->speed, (int64_t)over_ns, state->rung);
    cycle->status.axes[axis] = *state;
    if (state->rung == FS_RUNG_END_RT) end_rt(cycle);
}

void fs_cycle_watch_stop(fs_cycle *cycle, uint64_t now, uint32_t axis, uint32_t stop) {
    const fs_axis_config *config = &cycle->config.axes[axis];
    fs_standstill *seen = &cycle->stands[axis];
    fs_axis *driven = &cycle->axes[axis];
    double dt_s = period_s(cycle);
    fs_standstill_see(seen, config, &driven->state, cycle->fresh >> axis & 1, dt_s);
    enum fs_standstill_news news = fs_standstill_judge(seen, config, driven, stop, cycle->resets, dt_s);
    publish_axis(cycle, axis);
    tell_news(cycle, now, axis, news);
}

void fs_cycle_write_axis(fs_cycle *cycle, uint32_t axis, uint8_t *outputs) {
    fs_axis *driven = &cycle->axes[axis];
    if (fs_standstill_force(&cycle->stands[axis], driven)) fs_axis_write(driven, &cycle->config.axes[axis], outputs);
}

/* A brake is released by nobody but the axis that it holds: as long as this has power and its ladder does not ask for it. */
static void apply_brakes(fs_cycle *cycle, uint8_t *outputs) {
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        const fs_axis_config *config = &cycle->config.axes[i];
        if (config->brake < 0) continue;
        int released = fs_axis_powered(&cycle->axes[i]) && !(cycle->stands[i].forced & 1u << FS_RUNG_BRAKE);
        uint8_t bits = released ? (uint8_t)~config->brake_applied : config->brake_applied;
        uint8_t *at = outputs + config->brake;
        *at = (uint8_t)((*at & ~config->brake_mask) | (bits & config->brake_mask));
    }
}

static void tell_stand(fs_cycle *cycle, uint64_t now) {
    fs_rt_status *status = &cycle->status;
    if (status->stop_reason < FS_STOP_PERMIT) {
        cycle->stopping_ns = 0;
        cycle->stand_told = 0;
        return;
    }
    cycle->stopping_ns += cycle->config.cycle_time_ns;
    if (cycle->stand_told || (status->axes_standing & fs_cycle_axes(cycle)) != fs_cycle_axes(cycle)) return;
    cycle->stand_told = 1;
    fs_cycle_tell(cycle, now, FS_EV_AXES_STAND, 0, (int64_t)cycle->stopping_ns, status->stop_reason, 0);
}

void fs_cycle_close_watch(fs_cycle *cycle, uint64_t now, uint8_t *outputs) {
    apply_brakes(cycle, outputs);
    tell_stand(cycle, now);
}

int fs_cycle_at_stand(const fs_cycle *cycle) {
    uint64_t known = ~fs_load64(&cycle->lost);
    int found = 1;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (!(known >> i & 1)) continue;
        if (cycle->stands[i].stand == FS_STAND_UNKNOWN) found = 2;
        else if (cycle->stands[i].stand == FS_STAND_MOVING || fs_axis_powered(&cycle->axes[i])) return 0;
    }
    return found;
}

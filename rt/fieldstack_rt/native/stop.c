#include "cycle_state.h"
#include "store.h"

static void tell_view(fs_cycle *cycle, uint64_t now, uint32_t before) {
    const fs_agent *agent = &cycle->agent;
    uint32_t reaction = fs_agent_reaction_now(agent);
    switch (agent->view) {
    case FS_PEER_NEVER: break;
    case FS_PEER_WELL:
        if (before != FS_PEER_NEVER) fs_cycle_tell(cycle, now, FS_EV_NONRT_BACK, 0, (int64_t)agent->beat, before, 0);
        break;
    case FS_PEER_SLOW:
        fs_cycle_tell(cycle, now, FS_EV_NONRT_SLOW, 0, (int64_t)agent->gap_ns, (int64_t)agent->settings.slow_ns, 0);
        break;
    case FS_PEER_SILENT:
        fs_cycle_tell(cycle, now, FS_EV_NONRT_SILENT, 0, (int64_t)(agent->gap_ns / agent->period_ns),
                      (int64_t)agent->beat, reaction);
        break;
    default:
        fs_cycle_tell(cycle, now, agent->view == FS_PEER_DEAD ? FS_EV_NONRT_DEAD : FS_EV_NONRT_STOPPING, 0,
                      (int64_t)agent->beat, reaction, (int64_t)agent->settings.go_on_ns);
    }
}

static void watch_nonrt(fs_cycle *cycle, uint64_t now) {
    fs_agent *agent = &cycle->agent;
    uint32_t view = agent->view, damaged = agent->damaged;
    fs_agent_look(agent, cycle->store);
    if (agent->view != view) tell_view(cycle, now, view);
    if (agent->damaged & ~damaged) fs_cycle_tell(cycle, now, FS_EV_AGENT_WORDS, 0, agent->damaged, 0, 0);
    if (agent->view == FS_PEER_NEVER && agent->gap_ns > agent->settings.grace_ns && !cycle->never_told) {
        fs_cycle_tell(cycle, now, FS_EV_NONRT_NEVER, 0, (int64_t)agent->gap_ns, 0, 0);
        cycle->never_told = 1;
    }
    int over = fs_agent_hold_over(agent);
    if (over && !cycle->hold_over_told)
        fs_cycle_tell(cycle, now, FS_EV_NONRT_HOLD_OVER, 0, (int64_t)agent->gap_ns,
                      (int64_t)agent->settings.hold_at_most_ns, 0);
    cycle->hold_over_told = (uint32_t)over;
    cycle->status.nonrt_view = agent->view;
    cycle->status.nonrt_gap_ns = agent->gap_ns;
    cycle->status.agent = agent->settings;
}

static uint64_t faulted_axes(fs_cycle *cycle, uint64_t now) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        uint64_t bit = fs_axis_faulted(&cycle->axes[i]) ? 1ull << i : 0;
        if (bit != (cycle->faults_told & 1ull << i)) {
            uint32_t code = bit ? FS_EV_AXIS_FAULT : FS_EV_AXIS_FAULT_CLEARED;
            fs_cycle_tell(cycle, now, code, i, cycle->axes[i].state.error_code, cycle->axes[i].state.statusword, 0);
            cycle->faults_told ^= 1ull << i;
        }
        all |= bit;
    }
    return all;
}

/* A counter that the loss of slaves of non-essential groups can explain has a little time to be explained. */
static int wkc_lost(const fs_cycle *cycle) {
    const fs_cycle_config *config = &cycle->config;
    uint32_t patience = config->diagnosis_cycles > config->wkc_limit ? config->diagnosis_cycles : config->wkc_limit;
    return cycle->unexcused_row >= config->wkc_limit || cycle->status.bad_wkc_row >= patience;
}

/* All that holds every axis in this cycle, bit an enum fs_stop. */
static uint32_t all_stops(fs_cycle *cycle, uint32_t groups) {
    uint32_t nonrt = fs_agent_stop(&cycle->agent), stops = groups;
    if (cycle->status.estop_seen) stops |= 1u << FS_STOP_ESTOP;
    if (fs_load32(&cycle->quiesce)) stops |= 1u << FS_STOP_SHUTDOWN;
    if (wkc_lost(cycle)) stops |= 1u << FS_STOP_WKC;
    if (nonrt) stops |= 1u << nonrt;
    if (fs_load32(&cycle->store->motion_permit) != 1) stops |= 1u << FS_STOP_PERMIT;
    return cycle->dry ? stops | 1u << FS_STOP_UNDERRUN : stops;
}

uint32_t fs_cycle_stop_reason(fs_cycle *cycle, uint64_t now) {
    uint32_t groups = fs_cycle_judge_groups(cycle, faulted_axes(cycle, now));
    watch_nonrt(cycle, now);
    uint32_t stops = all_stops(cycle, groups);
    fs_cycle_await_start(cycle, now, stops);
    if (fs_cycle_essential_waits(cycle)) stops |= 1u << FS_STOP_START;
    fs_cycle_hold_groups(cycle, now);
    cycle->may_jog = !groups;
    cycle->may_move = cycle->may_jog && !(stops >> FS_STOP_START & 1);
    return fs_cycle_worst(stops);
}

void fs_cycle_obey_latch(fs_cycle *cycle, uint64_t now) {
    uint64_t latch = fs_estop_word(cycle->store);
    if (latch == cycle->status.estop_seen) return;
    uint32_t code = latch ? FS_EV_ESTOP_OBEYED : FS_EV_ESTOP_CLEARED;
    fs_cycle_tell(cycle, now, code, 0, (int64_t)(latch & UINT32_MAX), (int64_t)(latch >> 32),
                  (int64_t)cycle->status.cycle);
    cycle->status.estop_seen = latch;
}

int fs_cycle_keeps_power(const fs_cycle *cycle, uint32_t stop) {
    if (stop == FS_STOP_ESTOP || stop == FS_STOP_SHUTDOWN) return 0;
    /* Whatever else stops the axes, and is shown: nobody supervises them. */
    return !fs_agent_stop(&cycle->agent) || fs_agent_reaction_now(&cycle->agent) != FS_AGENT_STOP;
}

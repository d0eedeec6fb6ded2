#include "cycle_state.h"
#include "store.h"

/* Axes that may have power, and have it. */
static uint64_t enabled_axes(const fs_cycle *cycle) {
    uint64_t enabled = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (fs_axis_enabled(&cycle->axes[i])) enabled |= 1ull << i;
    return enabled & cycle->was_enabled;
}

typedef struct causes { uint64_t blocked, faulted, lost, enabled; } causes;

static uint32_t judge(const causes *of, uint64_t axes) {
    return (axes & of->lost ? 1u << FS_STOP_SLAVE_LOST : 0) | (axes & of->faulted ? 1u << FS_STOP_AXIS_FAULT : 0) |
           (axes & of->blocked ? 1u << FS_STOP_BLOCKED : 0) | (axes & ~of->enabled ? 1u << FS_STOP_NOT_ENABLED : 0);
}

uint32_t fs_cycle_worst(uint32_t stops) { return stops ? 31u - (uint32_t)__builtin_clz(stops) : FS_STOP_NONE; }

static void hold(fs_cycle *cycle, uint64_t now, uint64_t axes, uint32_t reason) {
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (!(axes >> i & 1) || cycle->axis_stop[i] == reason) continue;
        fs_cycle_tell(cycle, now, FS_EV_AXIS_STOP, i, reason, cycle->axis_stop[i], 0);
        cycle->axis_stop[i] = (uint8_t)reason;
    }
    if (reason) cycle->held |= axes;
    if (reason == FS_STOP_NOT_ENABLED) cycle->powering |= axes & cycle->was_enabled;
}

uint32_t fs_cycle_judge_groups(fs_cycle *cycle, uint64_t faulted) {
    causes of = {fs_load64(&cycle->store->axes_blocked), faulted, fs_load64(&cycle->lost), enabled_axes(cycle)};
    uint32_t essential = 0;
    for (uint32_t i = 0; i < cycle->config.group_count; i++) {
        const fs_group *group = &cycle->config.groups[i];
        cycle->group_stops[i] = judge(&of, group->axes);
        if (group->essential) essential |= cycle->group_stops[i];
    }
    if (!of.enabled && !essential) essential = 1u << FS_STOP_NOT_ENABLED; /* of many groups not one has power yet */
    cycle->status.axes_lost = of.lost;
    return essential;
}

void fs_cycle_hold_groups(fs_cycle *cycle, uint64_t now) {
    cycle->held = cycle->powering = 0;
    for (uint32_t i = 0; i < cycle->config.group_count; i++) {
        const fs_group *group = &cycle->config.groups[i];
        uint32_t waits = group->axes & cycle->status.axes_await_start ? 1u << FS_STOP_START : 0;
        if (!group->essential) hold(cycle, now, group->axes, fs_cycle_worst(cycle->group_stops[i] | waits));
    }
}

uint32_t fs_cycle_axis_stop(const fs_cycle *cycle, uint32_t axis, uint32_t stop) {
    uint64_t bit = 1ull << axis;
    int out = cycle->status.stream_state == FS_STREAM_PLAYING && (cycle->commanded & bit) && !(cycle->playing & bit);
    uint32_t own = cycle->axis_stop[axis] ? cycle->axis_stop[axis] : out ? FS_STOP_OUT : FS_STOP_NONE;
    uint32_t shown = stop > own ? stop : own;
    return shown == FS_STOP_START && cycle->by_hand & bit ? FS_STOP_NONE : shown; /* being held is a start */
}

#include <string.h>

#include "cycle_state.h"
#include "store.h"

static void end_stream(fs_cycle *cycle, uint64_t now, uint32_t state, uint32_t code, uint32_t axis) {
    cycle->status.stream_state = state;
    cycle->finished_stream = cycle->status.stream;
    if (code) fs_cycle_tell(cycle, now, code, axis, (int64_t)cycle->status.stream, (int64_t)cycle->status.setpoint_tail, 0);
}

/* Streams count up by one: an id far ahead is damage, and believed it would void all that come after. */
static const uint64_t FURTHEST_STREAM = UINT64_C(1) << 32;

static int damaged(fs_cycle *cycle, uint64_t now, uint64_t stream) {
    if (stream - cycle->finished_stream <= FURTHEST_STREAM) return 0;
    if (!cycle->damage_told) fs_cycle_tell(cycle, now, FS_EV_STREAM_DAMAGED, 0, (int64_t)stream, 0, 0);
    cycle->damage_told = 1;
    return 1;
}

void fs_cycle_void_streams(fs_cycle *cycle, uint64_t now, uint64_t last) {
    cycle->finished_stream = 0;
    if (damaged(cycle, now, last)) last = 0;
    cycle->status.stream = cycle->finished_stream = last;
}

static const fs_setpoint *next_valid(fs_cycle *cycle, uint64_t now) {
    enum { DROPS_A_CYCLE = 128 };
    fs_setpoint_ring *ring = &cycle->store->setpoints;
    for (int drops = 0; drops < DROPS_A_CYCLE; drops++) {
        const fs_setpoint *setpoint = fs_setpoint_peek(ring);
        if (!setpoint) return NULL;
        if (setpoint->stream > cycle->finished_stream && !damaged(cycle, now, setpoint->stream)) return setpoint;
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
    cycle->damage_told = 0;
    fs_cycle_tell(cycle, now, FS_EV_STREAM_STARTED, 0, (int64_t)setpoint->stream, 0, 0);
    return 1;
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

int fs_cycle_take_setpoint(fs_cycle *cycle, uint64_t now, uint32_t stop, double dt_s) {
    int playing = cycle->status.stream_state == FS_STREAM_PLAYING;
    if (stop != FS_STOP_NONE && stop != FS_STOP_DRY) {
        if (playing) end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
        return 0;
    }
    if (!playing && (!cycle->all_enabled || !fs_cycle_all_standing(cycle))) return 0;
    if (!playing) cycle->dry = 0; /* standing again: a new stream may begin */
    const fs_setpoint *setpoint = next_valid(cycle, now);
    if (playing && (!setpoint || setpoint->stream != cycle->status.stream)) {
        end_stream(cycle, now, FS_STREAM_DRY, FS_EV_STREAM_DRY, 0);
        cycle->dry = 1;
        return 0;
    }
    if (!setpoint || (!playing && !begin_stream(cycle, now, setpoint))) return 0;
    return play(cycle, now, setpoint, dt_s);
}

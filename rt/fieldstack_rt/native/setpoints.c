#include <string.h>

#include "cycle_state.h"
#include "store.h"

static void end_stream(fs_cycle *cycle, uint64_t now, uint32_t state, uint32_t code, uint32_t axis) {
    cycle->status.stream_state = state;
    cycle->playing = 0;
    cycle->finished_stream = cycle->status.stream;
    if (code)
        fs_cycle_tell(cycle, now, code, axis, (int64_t)cycle->status.stream, (int64_t)cycle->status.setpoint_tail, 0);
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
    cycle->tail = fs_load64(&cycle->store->setpoints.tail);
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

static void tell_out(fs_cycle *cycle, uint64_t now, uint32_t axis, const fs_setpoint *setpoint) {
    double away = (double)setpoint->position[axis] - cycle->axes[axis].target;
    fs_cycle_tell(cycle, now, FS_EV_AXIS_OUT, axis, (int64_t)setpoint->stream, (int64_t)away, 0);
}

static uint32_t accepts(const fs_cycle *cycle, uint32_t axis, const fs_setpoint *setpoint) {
    return fs_axis_accepts(&cycle->axes[axis], &cycle->config.axes[axis], setpoint->position[axis]);
}

static void refuse(fs_cycle *cycle, uint64_t now, uint32_t axis, uint32_t refusal) {
    cycle->status.refusals++;
    cycle->status.refused_axis = axis;
    cycle->status.refusal = refusal;
    end_stream(cycle, now, FS_STREAM_REFUSED, 0, 0);
    fs_cycle_tell(cycle, now, FS_EV_STREAM_REFUSED, axis, (int64_t)cycle->status.stream,
                  (int64_t)cycle->status.setpoint_tail, refusal);
}

/* Axes whose group must stand stay out; each other one that is commanded must accept, or nothing begins. */
static int begin_stream(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint) {
    uint64_t commanded = setpoint->axes & fs_cycle_axes(cycle), wanted = commanded & ~cycle->held;
    cycle->status.stream = setpoint->stream;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (commanded >> i & 1 && !(wanted >> i & 1)) tell_out(cycle, now, i, setpoint);
        uint32_t refusal = wanted >> i & 1        ? accepts(cycle, i, setpoint)
                           : commanded && !wanted ? FS_REFUSAL_HELD
                                                  : FS_REFUSAL_NONE;
        if (!refusal) continue;
        refuse(cycle, now, i, refusal);
        return 0;
    }
    cycle->playing = wanted;
    cycle->commanded = commanded;
    cycle->damage_told = 0;
    cycle->status.stream_state = FS_STREAM_PLAYING;
    fs_cycle_tell(cycle, now, FS_EV_STREAM_STARTED, 0, (int64_t)setpoint->stream, (int64_t)wanted, 0);
    return 1;
}

/* Into a running stream an axis comes only where the stream begins to command it: in the middle of a motion
 * that it did not take part in, it would be pulled along. */
static void join(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint) {
    uint64_t commanded = setpoint->axes & fs_cycle_axes(cycle), fresh = commanded & ~cycle->commanded;
    cycle->playing &= commanded;
    for (uint32_t i = 0; fresh && i < cycle->config.axis_count; i++) {
        if (!(fresh >> i & 1)) continue;
        if (cycle->held >> i & 1 || accepts(cycle, i, setpoint)) {
            tell_out(cycle, now, i, setpoint);
            continue;
        }
        cycle->playing |= 1ull << i;
        fs_cycle_tell(cycle, now, FS_EV_AXIS_JOINED, i, (int64_t)setpoint->stream, 0, 0);
    }
    cycle->commanded = commanded;
}

/* A time that is further ahead than any renewal reaches is damage, and holds nothing. */
static int hold_renewed(const fs_cycle *cycle, uint64_t now) {
    uint64_t until = fs_load64(&cycle->store->hold_to_run_ns);
    return until > now && until - now <= FS_LONGEST_HOLD_NS;
}

/* Axes that a person has to hold come to a stand when nobody renews it, whoever has died; 0: nobody is left to play. */
static int drop_unheld(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint) {
    uint64_t dropped = setpoint->hold_to_run & cycle->playing;
    if (!dropped || hold_renewed(cycle, now)) return 1;
    cycle->playing &= ~dropped;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (dropped >> i & 1) fs_cycle_tell(cycle, now, FS_EV_HOLD_ENDED, i, (int64_t)setpoint->stream, 0, 0);
    if (cycle->playing) return 1;
    end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
    cycle->dry = 1;
    return 0;
}

/* All playing axes take the setpoint or none does. */
static uint64_t play(fs_cycle *cycle, uint64_t now, const fs_setpoint *setpoint, double dt_s) {
    fs_axis before[FS_MAX_AXES];
    uint32_t count = cycle->config.axis_count;
    memcpy(before, cycle->axes, count * sizeof(fs_axis));
    join(cycle, now, setpoint);
    if (!drop_unheld(cycle, now, setpoint)) return 0;
    uint64_t playing = cycle->playing;
    for (uint32_t i = 0; i < count; i++) {
        const fs_axis_config *axis = &cycle->config.axes[i];
        if (!(playing >> i & 1)) continue;
        uint32_t refusal = fs_axis_follow(&cycle->axes[i], axis, setpoint->position[i], setpoint->velocity[i], dt_s);
        if (!refusal) continue;
        memcpy(cycle->axes, before, count * sizeof(fs_axis));
        refuse(cycle, now, i, refusal);
        cycle->dry = 1;
        return 0;
    }
    memcpy(cycle->status.io_outputs, setpoint->io, sizeof cycle->status.io_outputs);
    cycle->by_hand = playing & setpoint->hold_to_run;
    uint32_t last = setpoint->flags & FS_SETPOINT_LAST;
    fs_setpoint_drop(&cycle->store->setpoints);
    cycle->status.setpoint_tail = cycle->store->setpoints.tail;
    if (last) end_stream(cycle, now, FS_STREAM_ENDED, FS_EV_STREAM_ENDED, 0);
    return playing;
}

/* Axes that are just being powered are waited for, for a while: else a start would leave them out. */
static int awaits_power(fs_cycle *cycle, const fs_setpoint *setpoint) {
    static const uint64_t LONGEST_NS = 1000000000;
    if (!(setpoint->axes & cycle->powering) || cycle->waited_ns > LONGEST_NS) {
        cycle->waited_ns = 0;
        return 0;
    }
    cycle->waited_ns += cycle->config.cycle_time_ns;
    return 1;
}

/* Axes of groups that must stand leave the stream; 0: nobody is left to play it. */
static int drop_held(fs_cycle *cycle, uint64_t now) {
    uint64_t dropped = cycle->playing & cycle->held;
    cycle->playing &= ~dropped;
    if (!dropped || cycle->playing) return 1;
    end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
    return 0;
}

/* Whether nothing but motion is lost if `following` is played in place of `setpoint`. */
static int may_skip(const fs_setpoint *setpoint, const fs_setpoint *following) {
    return following && !(setpoint->flags & FS_SETPOINT_LAST) && following->stream == setpoint->stream &&
           following->axes == setpoint->axes && following->hold_to_run == setpoint->hold_to_run &&
           !memcmp(following->io, setpoint->io, sizeof setpoint->io);
}

/* Leaves out the setpoints of cycles that were skipped; how many. */
static uint32_t catch_up(fs_cycle *cycle, uint32_t behind) {
    enum { MOST_DROPS = 256 };
    fs_setpoint_ring *ring = &cycle->store->setpoints;
    uint32_t dropped = 0;
    while (dropped < behind && dropped < MOST_DROPS) {
        const fs_setpoint *setpoint = fs_setpoint_peek(ring);
        if (!setpoint || setpoint->stream != cycle->status.stream ||
            (setpoint->axes & fs_cycle_axes(cycle)) != cycle->commanded ||
            !may_skip(setpoint, fs_setpoint_second(ring)))
            break;
        fs_setpoint_drop(ring);
        dropped++;
    }
    return dropped;
}

/* An axis that a person holds needs no other start: each renewal is one. */
static uint64_t held_by_hand(const fs_cycle *cycle, const fs_setpoint *setpoint) {
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (cycle->axis_stop[i] == FS_STOP_START) waiting |= 1ull << i;
    return setpoint ? waiting & setpoint->hold_to_run : 0;
}

/* One that commands no axis at all is not: it may be for outputs, which are not live while axes wait for a start. */
static int by_hand_alone(const fs_cycle *cycle, const fs_setpoint *setpoint) {
    return setpoint && setpoint->hold_to_run && !(setpoint->axes & fs_cycle_axes(cycle) & ~setpoint->hold_to_run);
}

static int must_stand(uint32_t stop, int by_hand) {
    return stop != FS_STOP_NONE && stop != FS_STOP_UNDERRUN && !(stop == FS_STOP_START && by_hand);
}

static uint64_t take(fs_cycle *cycle, uint64_t now, uint32_t stop, uint32_t behind, double dt_s) {
    int playing = cycle->status.stream_state == FS_STREAM_PLAYING;
    cycle->by_hand = 0;
    const fs_setpoint *next = next_valid(cycle, now); /* mends a damaged ring also while the axes must stand */
    int by_hand = by_hand_alone(cycle, next);
    cycle->held &= ~held_by_hand(cycle, next);
    if (must_stand(stop, by_hand)) {
        if (playing) end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
        return 0;
    }
    if (playing && cycle->gap >= cycle->config.wkc_limit) {
        end_stream(cycle, now, FS_STREAM_BROKEN, 0, 0);
        fs_cycle_tell(cycle, now, FS_EV_STREAM_GAP, 0, (int64_t)cycle->status.stream, cycle->gap, 0);
        cycle->dry = 1;
        return 0;
    }
    if (playing && !drop_held(cycle, now)) return 0;
    uint64_t free = fs_cycle_axes(cycle) & ~cycle->held;
    int may = cycle->may_move || (by_hand && cycle->may_jog);
    if (!playing && (!may || !fs_cycle_standing_all(cycle, free))) return 0;
    if (!playing) cycle->dry = 0; /* standing again: a new stream may begin */
    uint32_t dropped = playing ? catch_up(cycle, behind) : 0;
    const fs_setpoint *setpoint = next_valid(cycle, now);
    if (playing && (!setpoint || setpoint->stream != cycle->status.stream)) {
        end_stream(cycle, now, FS_STREAM_UNDERRUN, FS_EV_STREAM_DRY, 0);
        cycle->dry = 1;
        return 0;
    }
    if (!setpoint) return 0;
    if (!playing && (awaits_power(cycle, setpoint) || !begin_stream(cycle, now, setpoint))) return 0;
    return play(cycle, now, setpoint, dt_s * (1.0 + dropped));
}

/* Only this thread moves the tail: a stray one would play again what was played. */
uint64_t fs_cycle_take_setpoint(fs_cycle *cycle, uint64_t now, uint32_t stop, uint32_t behind, double dt_s) {
    fs_setpoint_ring *ring = &cycle->store->setpoints;
    if (fs_load64(&ring->tail) != cycle->tail) fs_set64(&ring->tail, cycle->tail);
    uint64_t following = take(cycle, now, stop, behind, dt_s);
    cycle->tail = ring->tail;
    return following;
}

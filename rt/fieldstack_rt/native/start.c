#include "cycle_state.h"
#include "store.h"

/* A reset is no start (IEC 60204-1, 9.2.3.4; ISO 13850): whatever else than the end of its setpoints has stopped
 * an axis, it moves again only by a start that was given after that. Kept here, where nothing comes between. */

enum { NO_WAIT = 1u << FS_STOP_NOT_ENABLED | 1u << FS_STOP_UNDERRUN | 1u << FS_STOP_OUT | 1u << FS_STOP_START };

static void begin(fs_cycle *cycle, uint64_t now, uint32_t axis, uint32_t reasons) {
    fs_rt_status *status = &cycle->status;
    cycle->held_at[axis] = status->cycle + 1;                           /* as this cycle will be published */
    if (reasons & ~status->await_reasons[axis]) cycle->start_armed = 0; /* held down all along is no start */
    status->await_reasons[axis] |= reasons;
    if (status->axes_await_start >> axis & 1) return;
    status->axes_await_start |= 1ull << axis;
    status->await_since_ns[axis] = now;
}

void fs_cycle_all_await_start(fs_cycle *cycle, uint64_t now) {
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) begin(cycle, now, i, 1u << FS_STOP_START);
}

/* All axes of the groups that some of `axes` are in; where one is essential, all. */
static uint64_t with_their_groups(const fs_cycle *cycle, uint64_t axes) {
    uint64_t found = 0;
    for (uint32_t i = 0; i < cycle->config.group_count; i++) {
        const fs_group *group = &cycle->config.groups[i];
        if (axes & group->axes) found |= group->essential ? fs_cycle_axes(cycle) : group->axes;
    }
    return found;
}

/* A drive that lets go of its motor by itself, say by a switch (STO), is no reason to stop, but one to wait. */
static uint64_t let_go(fs_cycle *cycle) {
    uint64_t powered = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (fs_axis_enabled(&cycle->axes[i])) powered |= 1ull << i;
    uint64_t gone = cycle->had_power & ~powered;
    cycle->had_power = powered;
    cycle->ever_powered |= powered;
    return with_their_groups(cycle, gone) & ~cycle->status.axes_await_start;
}

static uint32_t own_stops(const fs_cycle *cycle, uint32_t axis) {
    for (uint32_t i = 0; i < cycle->config.group_count; i++) {
        const fs_group *group = &cycle->config.groups[i];
        if (group->axes >> axis & 1) return group->essential ? 0 : cycle->group_stops[i];
    }
    return 0;
}

static int is_whole(const fs_cycle *cycle, fs_start *order) {
    uint32_t checksum = order->checksum;
    order->checksum = 0;
    return order->sequence == cycle->status.start_taken + 1 && order->rt_epoch == cycle->status.epoch &&
           (order->kind == FS_START_GO || order->kind == FS_START_WAIT) &&
           fs_checksum(order, sizeof *order) == checksum;
}

static uint64_t lift(fs_cycle *cycle, const fs_start *order) {
    fs_rt_status *status = &cycle->status;
    uint64_t lifted = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        if (!(order->axes & status->axes_await_start & 1ull << i) || cycle->held_at[i] >= order->seen_cycle) continue;
        lifted |= 1ull << i;
        status->await_reasons[i] = 0;
        status->await_since_ns[i] = 0;
    }
    status->axes_await_start &= ~lifted;
    return lifted;
}

static void take_order(fs_cycle *cycle, uint64_t now) {
    fs_start order;
    if (fs_block_read(cycle->store, FS_BLOCK_START, &order, 1) || !is_whole(cycle, &order)) return;
    cycle->status.start_taken = order.sequence;
    if (order.kind == FS_START_GO) {
        uint64_t asked = order.axes & cycle->status.axes_await_start, lifted = lift(cycle, &order);
        fs_cycle_tell(cycle, now, FS_EV_START, 0, (int64_t)lifted, (int64_t)(asked & ~lifted), (int64_t)order.sequence);
        return;
    }
    for (uint32_t i = 0; i < cycle->config.axis_count; i++)
        if (order.axes >> i & 1) begin(cycle, now, i, 1u << FS_STOP_START);
}

/* A Non-RT process that was not seen yet did not fail; a fault of a drive that was not used yet is of the past. */
static uint32_t of_before(const fs_cycle *cycle) {
    uint32_t unseen = 1u << FS_STOP_NONRT_SILENT | 1u << FS_STOP_NONRT_DEAD;
    return (cycle->agent.seen ? 0 : unseen) | (cycle->faults_told & cycle->ever_powered ? 0 : 1u << FS_STOP_AXIS_FAULT);
}

void fs_cycle_await_start(fs_cycle *cycle, uint64_t now, uint32_t stops) {
    uint64_t before = cycle->status.axes_await_start, gone = let_go(cycle);
    uint32_t no_wait = NO_WAIT | of_before(cycle);
    uint32_t lost = fs_load32(&cycle->essential_lost) ? 1u << FS_STOP_SLAVE_LOST : 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        uint32_t why = (stops | own_stops(cycle, i)) & ~no_wait;
        if (!why && gone >> i & 1) why = 1u << FS_STOP_NOT_ENABLED;
        if (why) begin(cycle, now, i, why);
        if (cycle->status.axes_await_start >> i & 1) cycle->status.await_reasons[i] |= lost;
    }
    take_order(cycle, now);
    uint64_t fresh = cycle->status.axes_await_start & ~before;
    if (fresh) fs_cycle_tell(cycle, now, FS_EV_AWAIT_START, 0, (int64_t)fresh, 0, 0);
}

void fs_cycle_watch_start_input(fs_cycle *cycle) {
    const fs_cycle_config *config = &cycle->config;
    const fs_rt_status *status = &cycle->status;
    if (config->start_input < 0) return;
    int fresh = status->wkc == config->expected_wkc; /* of its slave, too */
    if (!fresh || !status->axes_await_start || status->stop_reason > FS_STOP_START) {
        cycle->start_armed = 0;
        return;
    }
    const uint8_t *inputs = (const uint8_t *)(uintptr_t)config->inputs;
    int high = inputs[config->start_input] >> config->start_bit & 1;
    if (high && cycle->start_armed) cycle->status.start_pressed = status->cycle + 1;
    cycle->start_armed = !high;
}

int fs_cycle_essential_waits(const fs_cycle *cycle) {
    for (uint32_t i = 0; i < cycle->config.group_count; i++)
        if (cycle->config.groups[i].essential && cycle->config.groups[i].axes & cycle->status.axes_await_start)
            return 1;
    return 0;
}

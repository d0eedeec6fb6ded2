#include "cycle_state.h"
#include "store.h"

/* Counts cycles without progress, not time: a stalled machine is not a silent Non-RT process. */
static int nonrt_silent(fs_cycle *cycle, uint64_t now) {
    uint64_t beat = fs_load64(&cycle->store->nonrt_beat);
    cycle->status.nonrt_gap_ns = cycle->nonrt_quiet * cycle->config.cycle_time_ns;
    cycle->status.nonrt_view = !cycle->nonrt_seen ? FS_PEER_NEVER : cycle->silent_told ? FS_PEER_SILENT : FS_PEER_WELL;
    if (beat != cycle->nonrt_beat) {
        cycle->nonrt_beat = beat;
        cycle->nonrt_quiet = 0;
        cycle->nonrt_seen = 1;
        if (cycle->silent_told) fs_cycle_tell(cycle, now, FS_EV_NONRT_BACK, 0, (int64_t)beat, 0, 0);
        cycle->silent_told = 0;
        return 0;
    }
    if (!cycle->nonrt_seen) return 1; /* never seen: nothing to tell, and nothing may move */
    if (++cycle->nonrt_quiet <= cycle->config.nonrt_timeout_cycles) return 0;
    if (!cycle->silent_told) fs_cycle_tell(cycle, now, FS_EV_NONRT_SILENT, 0, cycle->nonrt_quiet, (int64_t)beat, 0);
    cycle->silent_told = 1;
    return 1;
}

static int any_axis_faulted(fs_cycle *cycle, uint64_t now) {
    int any = 0;
    for (uint32_t i = 0; i < cycle->config.axis_count; i++) {
        int faulted = fs_axis_faulted(&cycle->axes[i]);
        uint64_t bit = 1ull << i;
        if (faulted != !!(cycle->faults_told & bit)) {
            uint32_t code = faulted ? FS_EV_AXIS_FAULT : FS_EV_AXIS_FAULT_CLEARED;
            fs_cycle_tell(cycle, now, code, i, cycle->axes[i].state.error_code, cycle->axes[i].state.statusword, 0);
            cycle->faults_told ^= bit;
        }
        any |= faulted;
    }
    return any;
}

uint32_t fs_cycle_stop_reason(fs_cycle *cycle, uint64_t now) {
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

void fs_cycle_obey_latch(fs_cycle *cycle, uint64_t now) {
    uint64_t latch = fs_estop_word(cycle->store);
    if (latch == cycle->status.estop_seen) return;
    uint32_t code = latch ? FS_EV_ESTOP_OBEYED : FS_EV_ESTOP_CLEARED;
    fs_cycle_tell(cycle, now, code, 0, (int64_t)(latch & UINT32_MAX), (int64_t)(latch >> 32), (int64_t)cycle->status.cycle);
    cycle->status.estop_seen = latch;
}

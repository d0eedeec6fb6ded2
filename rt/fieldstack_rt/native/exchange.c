#include <sys/socket.h>

#include "cycle_state.h"
#include "store.h"

static void expect(fs_cycle *cycle, uint64_t now) {
    fs_rt_status *status = &cycle->status;
    int32_t expected = cycle->config.expected_wkc - (int32_t)fs_load32(&cycle->lost_wkc);
    if (expected == status->expected_wkc) return;
    /* A lost slave whose inputs count and do not as it is tried to be brought back is told once. */
    if (expected < cycle->least_told || expected == status->full_wkc) {
        fs_cycle_tell(cycle, now, FS_EV_SLAVES_EXCUSED, 0, expected, cycle->least_told,
                      (int64_t)fs_load64(&cycle->lost));
        cycle->least_told = expected;
    }
    status->expected_wkc = expected;
}

/* A lost slave that is on its way back counts in part, then fully, before it is told to be back. */
static int as_expected(const fs_cycle *cycle) {
    const fs_rt_status *status = &cycle->status;
    return status->wkc >= status->expected_wkc && status->wkc <= cycle->config.expected_wkc;
}

static void count_bad(fs_cycle *cycle) {
    const fs_cycle_config *config = &cycle->config;
    cycle->status.wkc_errors++;
    cycle->status.bad_wkc_row++;
    int excusable =
        cycle->status.wkc >= config->expected_wkc - config->excusable_wkc && cycle->status.wkc < config->expected_wkc;
    if (!excusable) cycle->unexcused_row++;
}

static uint32_t verdict(const fs_cycle *cycle) {
    const fs_rt_status *status = &cycle->status;
    if (!as_expected(cycle)) return FS_WKC_LOW;
    return status->wkc == cycle->config.expected_wkc ? FS_WKC_WHOLE : FS_WKC_EXCUSED;
}

static uint32_t judge_wkc(fs_cycle *cycle, uint64_t now, uint64_t elapsed) {
    fs_rt_status *status = &cycle->status;
    uint32_t supervised = fs_load32(&cycle->supervised);
    expect(cycle, now);
    status->wkc_verdict = supervised ? verdict(cycle) : FS_WKC_UNJUDGED;
    if (as_expected(cycle)) {
        if (cycle->wkc_told) fs_cycle_tell(cycle, now, FS_EV_WKC_BACK, 0, status->bad_wkc_row, 0, 0);
        cycle->wkc_told = status->bad_wkc_row = cycle->unexcused_row = 0;
        return supervised ? FS_SAMPLE_OP : 0;
    }
    if (!supervised) return 0;
    count_bad(cycle);
    if (status->wkc < 0) {
        status->lost_frames++;
        long preemptions = fs_cycle_new_preemptions(cycle);
        if (status->bad_wkc_row == 1)
            fs_cycle_tell(cycle, now, FS_EV_FRAME_LOST, 0, (int64_t)elapsed,
                          cycle->config.receive_timeout_us * INT64_C(1000), preemptions);
        cycle->wkc_told = 1;
        return FS_SAMPLE_LOST | FS_SAMPLE_OP;
    }
    if (!cycle->wkc_told || status->bad_wkc_row == 1)
        fs_cycle_tell(cycle, now, FS_EV_WKC_LOW, 0, status->wkc, status->expected_wkc, 0);
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
    int late = cycle->late_answers && discard_waiting(cycle);
    if (late) cycle->late_answers = WATCH_CYCLES;
    cycle->send(context);
    int wkc = cycle->receive(context, (int)cycle->config.receive_timeout_us);
    if (cycle->late_answers && wkc >= 0 && discard_waiting(cycle)) wkc = -1;
    if (wkc < 0) cycle->late_answers = WATCH_CYCLES;
    else if (cycle->late_answers) cycle->late_answers--;
    cycle->sure_row = late || wkc < cycle->status.expected_wkc ? 0 : cycle->sure_row + 1;
    return wkc;
}

uint32_t fs_cycle_exchange(fs_cycle *cycle) {
    void *context = (void *)(uintptr_t)cycle->config.context;
    uint64_t start = fs_now_ns();
    int wkc = exchange_afresh(cycle, context);
    uint64_t end = fs_now_ns();
    cycle->status.exchange_ns = end - start > UINT32_MAX ? UINT32_MAX : (uint32_t)(end - start);
    cycle->status.wkc = wkc < 0 ? -1 : wkc;
    if (wkc >= 0) fs_histogram_add(&cycle->store->statistics.exchange, end - start);
    return judge_wkc(cycle, end, end - start);
}

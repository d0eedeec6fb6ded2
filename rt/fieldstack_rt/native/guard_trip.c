#include <unistd.h>

#include "bus.h"
#include "guard_state.h"

static void send_safe(fs_guard *guard) {
    if (fs_safe_frames_send(&guard->frames) == 0) guard->status.safe_frames++;
}

/* SIGKILL first, safe frames at once, and `fenced` only when the process is known to be gone: until then it can at most
 * finish the frame that it is in, and the frames' indexes are none that SOEM looks at. */
void fs_guard_trip(fs_guard *guard, uint32_t cause, uint64_t detected_ns) {
    fs_guard_status *status = &guard->status;
    fs_watched_kill(&guard->watched);
    send_safe(guard);
    status->safe_frame_ns = fs_now_ns();
    fs_watched_hasten(&guard->watched, guard->config.priority);
    status->safe_frames = 1;
    status->cause = cause;
    status->trip_epoch = guard->done_epoch = status->armed_epoch;
    status->detected_ns = detected_ns;
    status->fenced_ns = status->confirmed_ns = status->released_ns = 0;
    status->lwr_wkc = status->al_wkc = -1;
    status->al_states = status->fence_failed = 0;
    fs_bus_ask(guard->store, 0); /* only a claim made after the trip is for this bus */
    fs_estop_raise(guard->store, FS_ESTOP_GUARD, 0, (uint32_t)getpid(), detected_ns, "guard: RT process failed");
    status->trips++;
    fs_guard_set_state(guard, FS_GUARD_TRIPPED);
    fs_guard_notify(guard);
}

/* ---- what came of it ---- */

static void take_answers(fs_guard *guard, uint64_t patience_ns, fs_safe_answer *answer) {
    fs_safe_frames_collect(&guard->frames, patience_ns, answer);
    fs_guard_status *status = &guard->status;
    if (status->lwr_wkc < 0) status->lwr_wkc = answer->lwr_wkc;
    if (!answer->answered) return;
    status->al_wkc = answer->al_wkc;
    status->al_states = answer->al_states;
}

/* Of frames that were sent after the fence: before it, an RT process that still lived could have undone them. */
static void confirm(fs_guard *guard, uint64_t patience_ns) {
    fs_safe_answer answer;
    fs_guard_status *status = &guard->status;
    take_answers(guard, patience_ns, &answer);
    if (status->confirmed_ns || !fs_safe_answer_confirms(&guard->frames, &answer, guard->store)) return;
    status->absent = answer.absent;
    status->confirmed_ns = fs_now_ns();
    fs_guard_publish(guard);
    fs_guard_notify(guard);
}

/* ---- the fence ---- */

static void take_over(fs_guard *guard) {
    guard->status.fence_failed = 0;
    guard->status.fenced_ns = fs_now_ns();
    fs_lock_stamp(&guard->store->rt_lock, guard->word);
    fs_set32(&guard->store->rt_tid, 0);
    fs_set32(&guard->store->rt_phase, FS_RT_ABSENT); /* or it would be armed anew by a successor of this guard */
    fs_safe_frames_forget(&guard->frames);
}

/* The process may be unkillable for a while; that is told, and waited for. */
static void await_end(fs_guard *guard, uint64_t patience_ns) {
    fs_guard_status *status = &guard->status;
    uint32_t failed = status->fence_failed;
    uint64_t timeout_ns = (uint64_t)guard->config.fence_timeout_ms * 1000000u;
    int gone = fs_watched_gone(&guard->watched, patience_ns);
    fs_safe_answer before;
    take_answers(guard, 0, &before);
    if (gone) take_over(guard);
    else status->fence_failed = fs_now_ns() - status->detected_ns > timeout_ns;
    if (!status->fenced_ns && status->fence_failed == failed) return;
    fs_guard_publish(guard);
    fs_guard_notify(guard);
}

/* ---- until a new RT process asks for the bus ---- */

void fs_guard_let_go(fs_guard *guard) {
    if (guard->status.fenced_ns) fs_lock_free(&guard->store->rt_lock, guard->word);
}

static void release_bus(fs_guard *guard) {
    guard->status.released_ns = fs_now_ns();
    fs_guard_disarm(guard);
    fs_guard_notify(guard);
}

void fs_guard_hold(fs_guard *guard) {
    uint64_t cycle_ns = guard->plan.cycle_time_ns, next = fs_now_ns() + cycle_ns;
    if (!guard->status.fenced_ns) await_end(guard, cycle_ns);
    else if (fs_bus_asked(guard->store) || fs_guard_another_has_it(guard)) {
        release_bus(guard);
        return;
    } else fs_lock_stamp(&guard->store->rt_lock, guard->word);
    send_safe(guard);
    if (guard->status.fenced_ns) confirm(guard, cycle_ns);
    fs_guard_publish(guard);
    uint64_t now = fs_now_ns();
    if (now < next) fs_guard_pause(next - now);
}

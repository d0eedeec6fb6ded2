/* The cycle thread, with all who speak to it at once: Core's setpoints, Non-RT's words, a guard, readers, and the Python
 * side of its own process. The exchange is a function of this file. */
#define _GNU_SOURCE
#include "race_store.h"

#include "cycle.h"
#include "guard.h"

enum { AXES = 2, BYTES = 16, CYCLE_NS = 250000 };

static uint8_t outputs[AXES * BYTES], inputs[AXES * BYTES];
static fs_cycle *cycle;
static uint32_t running; /* there is a cycle to speak to */

/* ---- drives ---- */

static int send_nothing(void *context) { return context ? 1 : 0; }

static uint16_t obey(uint16_t controlword) {
    if ((controlword & 0x0F) == 0x0F) return 0x27;
    if ((controlword & 0x0F) == 0x07) return 0x23;
    return (controlword & 0x0F) == 0x06 ? 0x21 : 0x40;
}

static int answer(void *context, int timeout_us) {
    (void)context;
    (void)timeout_us;
    for (uint32_t i = 0; i < AXES; i++) {
        uint16_t controlword, statusword;
        memcpy(&controlword, outputs + i * BYTES, 2);
        statusword = obey(controlword);
        memcpy(inputs + i * BYTES, &statusword, 2);
        memcpy(inputs + i * BYTES + 4, outputs + i * BYTES + 4, 4);
    }
    return AXES * 3;
}

static fs_cycle_config configuration(void) {
    fs_cycle_config config = {
        .outputs_size = sizeof outputs, .inputs_size = sizeof inputs, .socket = -1, .start_input = -1};
    config.send = (uint64_t)(uintptr_t)send_nothing;
    config.receive = (uint64_t)(uintptr_t)answer;
    config.outputs = (uint64_t)(uintptr_t)outputs;
    config.inputs = (uint64_t)(uintptr_t)inputs;
    config.cycle_time_ns = CYCLE_NS;
    config.expected_wkc = AXES * 3;
    config.wkc_limit = 3;
    config.axis_count = AXES;
    config.group_count = 1;
    config.groups[0] = (fs_group){.axes = (1u << AXES) - 1, .essential = 1};
    for (uint32_t i = 0; i < AXES; i++) {
        int32_t at = (int32_t)(i * BYTES);
        config.axes[i] = (fs_axis_config){.controlword = at,
                                          .mode = at + 2,
                                          .target_position = at + 4,
                                          .target_velocity = -1,
                                          .statusword = at,
                                          .mode_display = -1,
                                          .position = at + 4,
                                          .velocity = -1,
                                          .torque = -1,
                                          .error_code = -1,
                                          .operation_mode = 8,
                                          .stop_category = 1,
                                          .deceleration = 1e6,
                                          .velocity_max = 1e6,
                                          .position_min = -1e9,
                                          .position_max = 1e9,
                                          .start_tolerance = 1e9,
                                          .stop_margin_ns = 1000000000,
                                          .rung_ns = 1000000000,
                                          .stale_limit = 3,
                                          .brake = -1};
    }
    return config;
}

/* ---- the process's own Python side ---- */

static void run_cycle(void) {
    fs_cycle_config config = configuration();
    require(fs_cycle_start(store, -1, 0, UINT64_C(1000000000), &cycle) == 0, "the cycle starts");
    require(fs_cycle_epoch(cycle) > 0 && fs_cycle_tid(cycle) > 0 && !fs_cycle_degraded(cycle), "it is known");
    require(fs_cycle_run(cycle, &config) == 0, "it runs");
    fs_set32(&running, 1);
}

static void end_cycle(void) {
    fs_set32(&running, 0);
    fs_cycle_quiesce(cycle);
    fs_cycle_standing(cycle);
    fs_cycle_halt(cycle);
    fs_cycle_release(cycle);
}

static void housekeep(runner *self) {
    while (!over()) {
        run_cycle();
        for (int look = 0; look < 400 && !over(); look++) {
            fs_cycle_set_supervised(cycle, 1);
            fs_cycle_set_enabled(cycle, one_in(self, 10) ? 1 : 3);
            fs_cycle_set_lost(cycle, one_in(self, 20) ? 2 : 0, 0);
            fs_cycle_set_essential_lost(cycle, one_in(self, 20));
            usleep(500);
        }
        end_cycle();
        self->done++;
    }
}

/* ---- others ---- */

static void supervise(runner *self) {
    fs_event event;
    fs_start order;
    for (; !over(); self->done++) {
        fs_add64(&store->nonrt_beat, 1);
        fs_set32(&store->motion_permit, !one_in(self, 20));
        if (one_in(self, 20)) fs_estop_raise(store, FS_ESTOP_OPERATOR, 1, 1, fs_now_ns(), "race");
        if (one_in(self, 5)) fs_estop_clear(store, 1u << FS_ESTOP_OPERATOR, 1);
        fs_estop_mend(store, 1, fs_now_ns());
        if (one_in(self, 10)) fs_reset_ask(store);
        fs_set64(&store->hold_to_run_ns, fs_now_ns() + FS_LONGEST_HOLD_NS / 2);
        order = (fs_start){.sequence = self->done % 64,
                           .rt_epoch = fs_load64(&store->rt_epoch),
                           .axes = 3,
                           .seen_cycle = UINT64_MAX,
                           .kind = FS_START_GO};
        order.checksum = fs_checksum(&order, sizeof order);
        fs_block_write(store, FS_BLOCK_START, &order);
        while (fs_event_pop(&store->cycle_events, &event)) {}
        usleep(300);
    }
}

static void stream(runner *self) {
    fs_setpoint setpoint = {.axes = 3};
    for (; !over(); self->done++) {
        setpoint.stream = self->done / 50 + 1;
        setpoint.flags = self->done % 50 == 49;
        if (!fs_setpoint_push(&store->setpoints, &setpoint)) usleep(200);
    }
}

static void watch(runner *self) {
    fs_guard_config config = {-1, 0, 100, 1000, 1000};
    fs_guard_status status;
    while (!over()) {
        fs_guard *guard;
        require(fs_guard_start(store, &config, &guard) == 0, "the guard starts");
        for (int look = 0; look < 200 && !over(); look++) {
            fs_guard_read(guard, &status);
            fs_guard_degraded(guard);
            if (one_in(self, 50)) fs_guard_demand_trip(guard);
            usleep(500);
        }
        fs_guard_stop(guard);
        self->done++;
    }
}

/* To show for itself it has cycles in which axes moved by a stream. */
static void look(runner *self) {
    fs_rt_status status;
    for (uint64_t last = 0; !over();) {
        require(fs_header_is_whole(store) && fs_identity_is_whole(store), "the store is whole");
        if (fs_block_read(store, FS_BLOCK_RT_STATUS, &status, 100)) continue;
        uint64_t order = status.epoch << 32 | status.cycle;
        require(order >= last, "cycles are counted up");
        last = order;
        self->done += status.axes_playing != 0;
        usleep(50);
    }
}

int main(int count, char **arguments) {
    runner runners[] = {{.run = housekeep}, {.run = supervise}, {.run = stream}, {.run = watch}, {.run = look}};
    return race_on_a_store(count, arguments, runners, sizeof runners / sizeof *runners);
}

/* Fuzzes the cycle: whatever stands in the shared memory and comes from the bus, each cycle ends, within its memory.
 * Its thread and SOEM are left out: cycles follow each other at once, and the exchange is a function of this file. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "cycle.c"

enum { CYCLES = 120, IMAGE = 512, AXIS_OUT = 16, AXIS_IN = 24 };

static fs_store *store;
static uint8_t *outputs, *inputs;
static fs_cycle *cycle;
static bool calm; /* little happens in this round: motion begins, and goes on for a while */

static bool seldom(uint32_t count) { return one_in(calm ? 20 * count : count); }

static int send_nothing(void *context) { return context ? 1 : 0; }

static uint16_t any_statusword(void) {
    static const uint16_t states[] = {0x0000, 0x0040, 0x0021, 0x0023, 0x0027, 0x0027,
                                      0x0027, 0x0007, 0x000F, 0x0008, 0xFFFF};
    return one_in(10) ? (uint16_t)any64() : states[below(sizeof states / sizeof *states)];
}

static uint16_t obey(uint16_t controlword) {
    if ((controlword & 0x0F) == 0x0F) return 0x0027;
    if ((controlword & 0x0F) == 0x07) return 0x0023;
    return (controlword & 0x07) == 0x06 ? 0x0021 : 0x0040;
}

/* Drives that mostly do as they are told. */
static void answer_axis(uint32_t number, int settled) {
    const fs_axis_config *axis = &cycle->config.axes[number];
    uint16_t controlword = 0x000F;
    if (axis->controlword >= 0) memcpy(&controlword, outputs + axis->controlword, sizeof controlword);
    uint16_t statusword = settled ? obey(controlword) : any_statusword();
    if (axis->statusword >= 0) memcpy(inputs + axis->statusword, &statusword, sizeof statusword);
    if (axis->position >= 0 && axis->target_position >= 0)
        memcpy(inputs + axis->position, outputs + axis->target_position, 4);
    if (seldom(15)) damage(inputs, cycle->config.inputs_size);
}

static int answer(void *context, int timeout_us) {
    const fs_cycle_config *config = &cycle->config;
    (void)context;
    (void)timeout_us;
    if (seldom(20)) return -1;
    int settled = !seldom(8);
    for (uint32_t i = 0; i < config->axis_count; i++) answer_axis(i, settled);
    return seldom(10) ? (int)below(20) : config->expected_wkc;
}

/* ---- a configuration that fits ---- */

static int32_t place(uint32_t base, uint32_t offset, uint32_t rarely) {
    return one_in(rarely) ? -1 : (int32_t)(base + offset);
}

static double any_number(void) {
    static const double numbers[] = {0.0, 1.0, 1e3, 1e5, 1e7, 2e9, 1e12};
    if (calm) return 1e12;
    return numbers[below(sizeof numbers / sizeof *numbers)];
}

static void configure_axis(fs_axis_config *axis, uint32_t number) {
    uint32_t out = number * AXIS_OUT, in = number * AXIS_IN;
    axis->controlword = place(out, 0, 30);
    axis->mode = place(out, 2, 10);
    axis->target_position = place(out, 4, 10);
    axis->target_velocity = place(out, 8, 4);
    axis->brake = place(out, 12, 2);
    axis->statusword = place(in, 0, 30);
    axis->mode_display = place(in, 2, 10);
    axis->position = place(in, 4, 10);
    axis->velocity = place(in, 8, 4);
    axis->torque = place(in, 12, 4);
    axis->error_code = place(in, 14, 4);
    axis->operation_mode = one_in(2) ? 8 : 9;
    axis->stop_category = (int32_t)below(3);
    axis->deceleration = any_number();
    axis->velocity_max = any_number();
    axis->position_min = one_in(2) ? -any_number() : -2147483648.0;
    axis->position_max = one_in(2) ? any_number() : 2147483647.0;
    axis->start_tolerance = any_number();
    axis->velocity_beyond = any_number();
    axis->stop_margin_ns = below(5) * UINT64_C(1000000);
    axis->rung_ns = below(5) * UINT64_C(1000000);
    axis->stale_limit = below(5);
    axis->rungs = below(9);
    for (uint32_t i = 0; i < axis->rungs; i++)
        axis->ladder[i] = (uint8_t)below(FS_RUNG_END_RT); /* that one ends the process */
    axis->brake_mask = (uint8_t)any64();
    axis->brake_applied = (uint8_t)any64();
}

static void configure_spans(fs_span *spans, uint32_t *count, uint32_t image) {
    *count = below(6);
    for (uint32_t i = 0; i < *count; i++) {
        spans[i].offset = below(image + 1);
        spans[i].size = below(image - spans[i].offset + 1);
    }
}

static fs_cycle_config any_config(void) {
    fs_cycle_config config = {
        .outputs_size = IMAGE, .inputs_size = IMAGE, .socket = -1, .expected_wkc = 6, .start_input = -1};
    config.axis_count = one_in(8) ? below(IMAGE / AXIS_IN + 1) : 1 + below(3);
    config.group_count = 1 + below(4);
    for (uint32_t i = 0; i < config.axis_count; i++) {
        configure_axis(&config.axes[i], i);
        config.groups[below(config.group_count)].axes |= 1ull << i;
    }
    for (uint32_t i = 0; i < config.group_count; i++) config.groups[i].essential = one_in(2);
    configure_spans(config.io_outputs, &config.io_output_spans, IMAGE);
    configure_spans(config.io_inputs, &config.io_input_spans, IMAGE);
    if (one_in(2)) config.start_input = (int32_t)below(IMAGE);
    config.start_bit = below(8);
    config.cycle_time_ns = 250000u * (1 + below(16));
    config.wkc_limit = 1 + below(5);
    config.excusable_wkc = (int32_t)below(7);
    config.diagnosis_cycles = below(10);
    config.send = (uint64_t)(uintptr_t)send_nothing;
    config.receive = (uint64_t)(uintptr_t)answer;
    config.outputs = (uint64_t)(uintptr_t)outputs;
    config.inputs = (uint64_t)(uintptr_t)inputs;
    fill_any(config.safe_image, config.outputs_size);
    return config;
}

/* ---- what stands in the shared memory ---- */

static uint64_t any_axes(void) { return one_in(3) ? any64() : (1ull << cycle->config.axis_count) - 1; }

static uint64_t number; /* of the setpoint that comes next */
static uint8_t io[FS_IO_BYTES];

static void stream(void) {
    fs_setpoint setpoint = {.stream = seldom(8) ? edge64() : number / 40 + 1,
                            .axes = calm && !one_in(20) ? UINT64_MAX : any_axes()};
    number++;
    if (one_in(4)) setpoint.hold_to_run = any64() & any64();
    setpoint.flags = one_in(30);
    for (uint32_t i = 0; i < FS_MAX_AXES; i++) {
        uint32_t away = seldom(20) ? (uint32_t)edge64() : below(3);
        setpoint.position[i] = (int32_t)((uint32_t)cycle->axes[i].state.position + away);
        setpoint.velocity[i] = seldom(10) ? (int32_t)edge64() : 0;
    }
    if (one_in(20)) fill_any(io, sizeof io);
    memcpy(setpoint.io, io, sizeof io);
    if (fs_setpoint_free(&store->setpoints)) fs_setpoint_push(&store->setpoints, &setpoint);
}

static void start(void) {
    fs_start order = {.sequence = cycle->status.start_taken + 1,
                      .rt_epoch = cycle->status.epoch,
                      .axes = UINT64_MAX,
                      .seen_cycle = cycle->status.cycle + 10,
                      .kind = one_in(6) ? FS_START_WAIT : FS_START_GO};
    order.checksum = fs_checksum(&order, sizeof order);
    fs_block_write(store, FS_BLOCK_START, &order);
}

static void be_well(void) {
    fs_add64(&store->nonrt_beat, 1);
    fs_set32(&store->motion_permit, 1);
    if (!one_in(30)) fs_set64(&store->hold_to_run_ns, cycle->next_ns + 3 * cycle->config.cycle_time_ns);
    if (one_in(3)) fs_set64(&store->axes_blocked, 0);
    if (one_in(3)) fs_estop_clear(store, UINT32_MAX, one_in(2));
    if (one_in(5)) fs_reset_ask(store);
    if (one_in(3)) start();
}

static void damage_the_store(void) {
    uint64_t *const words[] = {&store->setpoints.head,
                               &store->setpoints.tail,
                               &store->cycle_events.head,
                               &store->cycle_events.tail,
                               &store->hold_to_run_ns,
                               &store->axes_blocked,
                               &store->rt_beat,
                               &store->nonrt_beat,
                               &store->start_seq,
                               &store->rt_status_seq,
                               &store->statistics.sample_head,
                               &store->agent_go_on_ns};
    if (one_in(3)) *words[below(sizeof words / sizeof *words)] = edge64();
    if (one_in(60)) fill_any(store, sizeof *store);
    if (one_in(10)) fs_estop_raise(store, below(8), one_in(2), 1, 1, "fuzz");
    for (uint32_t left = below(6); left; left--) ((uint64_t *)store)[below(sizeof *store / 8)] = edge64();
    fs_setpoint_ring *ring = &store->setpoints;
    if (one_in(3)) damage((uint8_t *)&ring->slots[ring->tail % FS_SETPOINT_SLOTS], sizeof ring->slots[0]);
}

static void tell_the_thread(void) {
    if (one_in(4)) fs_cycle_set_enabled(cycle, calm ? UINT64_MAX : any_axes());
    if (seldom(30)) fs_cycle_set_lost(cycle, any64() & any64(), (int32_t)below(4));
    if (one_in(10)) fs_cycle_set_lost(cycle, 0, 0);
    if (seldom(30)) fs_cycle_set_essential_lost(cycle, one_in(2));
    if (calm) fs_cycle_set_essential_lost(cycle, 0);
    if (one_in(10)) fs_cycle_set_supervised(cycle, !one_in(4));
    if (seldom(200)) fs_cycle_quiesce(cycle);
}

/* As one_cycle, without the wait. */
static void step(void) {
    cycle->next_ns += cycle->config.cycle_time_ns;
    uint64_t few = below(6) * cycle->config.cycle_time_ns;
    if (one_in(20)) note_late_wakeup(cycle, cycle->next_ns, one_in(2) ? few : edge64() >> below(64));
    inject(cycle);
    prepare_outputs(cycle, cycle->next_ns);
    fs_cycle_mark_inputs(cycle);
    uint32_t flags = fs_cycle_exchange(cycle);
    fs_cycle_see_axes(cycle);
    if (cycle->status.wkc >= 0) take_inputs(cycle);
    fs_cycle_watch_start_input(cycle);
    if (cycle->gap < LONGEST_GAP) cycle->gap++;
    end_gap(cycle);
    publish(cycle, flags);
}

static void set_up(void) {
    calm = one_in(2);
    number = 0;
    memset(io, 0, sizeof io);
    store = aligned_alloc(64, (sizeof *store + 63) / 64 * 64);
    memset(store, 0, sizeof *store);
    fs_store_format(store, 1, 1);
    outputs = calloc(1, IMAGE);
    inputs = calloc(1, IMAGE);
    cycle = calloc(1, sizeof *cycle);
    cycle->store = store;
    cycle->status.epoch = 1;
    cycle->next_ns = UINT64_C(1000000000);
    fs_cycle_config config = any_config();
    require(fs_cycle_run(cycle, &config) == 0, "the configuration fits");
    if (!calm && one_in(4)) fill_any(store, sizeof *store);
    fs_agent_begin(&cycle->agent, store, &cycle->config.agent, cycle->config.cycle_time_ns);
    fs_cycle_void_streams(cycle, cycle->next_ns, store->rt_status.stream);
    fs_cycle_all_await_start(cycle, cycle->next_ns);
}

static void round_of(void) {
    set_up();
    for (int i = 0; i < CYCLES; i++) {
        if (!seldom(5)) be_well();
        if (seldom(4)) damage_the_store();
        for (uint32_t left = below(3); left; left--) stream();
        tell_the_thread();
        step();
        require(cycle->status.estop_seen == fs_estop_word(store), "the latch is obeyed in the cycle that sees it");
        require(cycle->status.stop_reason <= FS_STOP_ESTOP, "a stop that there is");
        require(!(cycle->status.axes_playing & ~fs_cycle_axes(cycle)), "only axes that there are play");
        require(!(cycle->status.axes_playing & cycle->held), "no axis plays that must stand");
    }
    free(store);
    free(outputs);
    free(inputs);
    free(cycle);
}

int main(int count, char **arguments) { return fuzz(count, arguments, round_of); }

#include "axis.h"

#include <string.h>

/* Control words of CiA 402 (IEC 61800-7-201, table of commands). */
enum {
    DISABLE_VOLTAGE = 0x0000,
    QUICK_STOP = 0x0002,
    SHUTDOWN = 0x0006,
    SWITCH_ON = 0x0007,
    ENABLE_OPERATION = 0x000F,
    FAULT_RESET = 0x0080
};

enum drive_state {
    NOT_READY,
    SWITCH_ON_DISABLED,
    READY,
    SWITCHED_ON,
    OPERATION_ENABLED,
    QUICK_STOP_ACTIVE,
    FAULT_REACTION,
    FAULT
};

enum { RESET_PULSE_CYCLES = 8, LONGEST_LEAVING_CYCLES = 200 };

/* A motor at rest: of its velocity limit, or what its encoder can tell from rest. */
static const double REST_SHARE = 0.001;
static const double REST_COUNTS_A_CYCLE = 2.0;

/* A setpoint may ask for this much more than the axis's velocity limit: rounding to counts. */
static const double JUMP_MARGIN = 1.05;
static const double JUMP_SLACK_COUNTS = 2.0;
/* The place of a stand is told in whole counts. */
static const double ROUNDING_COUNTS = 0.5;

static enum drive_state drive_state_of(uint16_t statusword) {
    switch (statusword & 0x4F) {
    case 0x00: return NOT_READY;
    case 0x40: return SWITCH_ON_DISABLED;
    case 0x0F: return FAULT_REACTION;
    case 0x08: return FAULT;
    default: break;
    }
    switch (statusword & 0x6F) {
    case 0x21: return READY;
    case 0x23: return SWITCHED_ON;
    case 0x27: return OPERATION_ENABLED;
    case 0x07: return QUICK_STOP_ACTIVE;
    default: return NOT_READY;
    }
}

int fs_axis_enabled(const fs_axis *axis) { return drive_state_of(axis->state.statusword) == OPERATION_ENABLED; }

int fs_axis_faulted(const fs_axis *axis) {
    enum drive_state state = drive_state_of(axis->state.statusword);
    return state == FAULT || state == FAULT_REACTION;
}

int fs_axis_quick_stopping(const fs_axis *axis) { return drive_state_of(axis->state.statusword) == QUICK_STOP_ACTIVE; }

int fs_axis_powered(const fs_axis *axis) {
    enum drive_state state = drive_state_of(axis->state.statusword);
    return state == OPERATION_ENABLED || state == QUICK_STOP_ACTIVE || state == FAULT_REACTION;
}

int fs_axis_word_enables(const fs_axis *axis) { return (axis->state.controlword & 0x8F) == ENABLE_OPERATION; }
int fs_axis_word_is_quick_stop(const fs_axis *axis) { return (axis->state.controlword & 0x86) == QUICK_STOP; }

void fs_axis_force(fs_axis *axis, int quick_stop) {
    int acts = quick_stop && (fs_axis_enabled(axis) || fs_axis_quick_stopping(axis));
    axis->state.controlword = acts ? QUICK_STOP : DISABLE_VOLTAGE;
    axis->state.state = FS_AXIS_QUICK_STOP;
}

static double magnitude(double value) { return value < 0 ? -value : value; }

int fs_axis_standing(const fs_axis *axis) { return axis->velocity == 0.0; }

double fs_axis_rest_speed(const fs_axis_config *config, double dt_s) {
    double share = config->velocity_max * REST_SHARE, resolution = REST_COUNTS_A_CYCLE / dt_s;
    return share > resolution ? share : resolution;
}

int fs_axis_at_rest(const fs_axis *axis, const fs_axis_config *config, double dt_s) {
    return fs_axis_standing(axis) && magnitude(axis->state.velocity) <= fs_axis_rest_speed(config, dt_s);
}

static uint64_t get_bytes(const uint8_t *image, int32_t offset, int size) {
    uint64_t value = 0;
    if (offset >= 0) memcpy(&value, image + offset, (size_t)size);
    return value;
}

static void put_bytes(uint8_t *image, int32_t offset, uint64_t value, int size) {
    if (offset >= 0) memcpy(image + offset, &value, (size_t)size);
}

/* All bits of a statusword at once are in no state of a drive. */
enum { NO_STATUSWORD = 0xFFFF };

void fs_axis_mark(const fs_axis_config *config, uint8_t *inputs) {
    put_bytes(inputs, config->statusword, NO_STATUSWORD, 2);
}

int fs_axis_fresh(const fs_axis_config *config, const uint8_t *inputs) {
    return config->statusword >= 0 && get_bytes(inputs, config->statusword, 2) != NO_STATUSWORD;
}

void fs_axis_read(fs_axis *axis, const fs_axis_config *config, const uint8_t *inputs) {
    fs_axis_state *state = &axis->state;
    state->statusword = (uint16_t)get_bytes(inputs, config->statusword, 2);
    state->mode = (int8_t)get_bytes(inputs, config->mode_display, 1);
    state->position = (int32_t)get_bytes(inputs, config->position, 4);
    state->velocity = (int32_t)get_bytes(inputs, config->velocity, 4);
    state->torque = (int16_t)get_bytes(inputs, config->torque, 2);
    state->error_code = (uint16_t)get_bytes(inputs, config->error_code, 2);
}

void fs_axis_write(const fs_axis *axis, const fs_axis_config *config, uint8_t *outputs) {
    put_bytes(outputs, config->controlword, axis->state.controlword, 2);
    put_bytes(outputs, config->mode, (uint8_t)config->operation_mode, 1);
    put_bytes(outputs, config->target_position, (uint32_t)axis->state.target, 4);
    put_bytes(outputs, config->target_velocity, (uint32_t)axis->state.target_velocity, 4);
}

uint32_t fs_axis_accepts(const fs_axis *axis, const fs_axis_config *config, int32_t position) {
    if (axis->state.state != FS_AXIS_HOLDING) return FS_REFUSAL_NOT_HOLDING;
    return magnitude((double)position - axis->target) <= config->start_tolerance ? FS_REFUSAL_NONE : FS_REFUSAL_AWAY;
}

static int beyond(const fs_axis_config *config, double at) {
    return at > config->position_max || at < config->position_min;
}

/* Out of the range, or further out than it is. */
static int leads_out(const fs_axis_config *config, double from, double to) {
    if (to > config->position_max) return from <= config->position_max || to > from + ROUNDING_COUNTS;
    if (to < config->position_min) return from >= config->position_min || to < from - ROUNDING_COUNTS;
    return 0;
}

static uint32_t refusal_of(const fs_axis *axis, const fs_axis_config *config, int32_t position, int32_t velocity,
                           double dt_s) {
    double step = magnitude((double)position - axis->target), speed = magnitude((double)velocity);
    double slow = config->velocity_beyond * JUMP_MARGIN;
    if (step > config->velocity_max * dt_s * JUMP_MARGIN + JUMP_SLACK_COUNTS + config->start_tolerance)
        return FS_REFUSAL_JUMP;
    if (leads_out(config, axis->target, position)) return FS_REFUSAL_LIMIT;
    if (speed > config->velocity_max * JUMP_MARGIN + 1.0) return FS_REFUSAL_SPEED;
    if (beyond(config, axis->target) && (step > slow * dt_s + JUMP_SLACK_COUNTS || speed > slow + 1.0))
        return FS_REFUSAL_BEYOND_SPEED;
    return FS_REFUSAL_NONE;
}

uint32_t fs_axis_follow(fs_axis *axis, const fs_axis_config *config, int32_t position, int32_t velocity, double dt_s) {
    uint32_t refusal = refusal_of(axis, config, position, velocity, dt_s);
    if (refusal) return refusal;
    axis->target = position;
    axis->velocity = velocity;
    return FS_REFUSAL_NONE;
}

/* A stop that begins in the range ends in it. One that begins beyond a limit runs its course there: drawn to the limit at once,
 * the target would jump. */
static double kept_in(const fs_axis_config *config, double from, double to) {
    if (to > config->position_max && from <= config->position_max) return config->position_max;
    if (to < config->position_min && from >= config->position_min) return config->position_min;
    return to;
}

/* A controlled stop: the target itself slows down, so the drive never sees a jump. */
static void ramp_down(fs_axis *axis, const fs_axis_config *config, double dt_s) {
    double loss = config->deceleration * dt_s;
    if (magnitude(axis->velocity) <= loss) axis->velocity = 0.0;
    else axis->velocity -= axis->velocity > 0 ? loss : -loss;
    axis->target = kept_in(config, axis->target, axis->target + axis->velocity * dt_s);
}

void fs_axis_catch(fs_axis *axis, const fs_axis_config *config, double dt_s) {
    double velocity = config->velocity >= 0 ? axis->state.velocity : axis->velocity, most = config->velocity_max;
    if (!fs_axis_enabled(axis)) return;
    axis->velocity = velocity > most ? most : velocity < -most ? -most : velocity;
    axis->target = axis->state.position + axis->velocity * dt_s; /* the next setpoint is for a cycle later */
}

/* With the drive not following, its place is the target: enabling never jumps. */
static void stay_where_it_is(fs_axis *axis) {
    axis->target = axis->state.position;
    axis->velocity = 0.0;
}

/* A quick stop that is still at work is not cut short. One that holds (stop category 2) is left with the power on, by
 * transition 16; a drive that does not know that way goes by switch on disabled. */
static uint16_t leaving_word(fs_axis *axis, const fs_axis_config *config, const fs_axis_demand *demand) {
    if (!demand->stands) return QUICK_STOP;
    if (!demand->enable || config->stop_category != 2 || axis->leaving >= LONGEST_LEAVING_CYCLES)
        return DISABLE_VOLTAGE;
    axis->leaving++;
    return ENABLE_OPERATION;
}

static uint16_t power_up_word(enum drive_state drive) {
    switch (drive) {
    case SWITCH_ON_DISABLED: return SHUTDOWN;
    case READY: return SWITCH_ON;
    case SWITCHED_ON:
    case OPERATION_ENABLED: return ENABLE_OPERATION;
    default: return DISABLE_VOLTAGE;
    }
}

/* IEC 60204-1: 0 removes power at once; 1 stops, then removes it; 2 stops and keeps it. */
static uint16_t emergency_word(const fs_axis_config *config, enum drive_state drive, int stands) {
    if (config->stop_category == 0) return DISABLE_VOLTAGE;
    if (drive == QUICK_STOP_ACTIVE) return stands && config->stop_category == 1 ? DISABLE_VOLTAGE : QUICK_STOP;
    return drive == OPERATION_ENABLED ? QUICK_STOP : DISABLE_VOLTAGE;
}

static uint16_t fault_word(fs_axis *axis, const fs_axis_demand *demand) {
    if (axis->reset_seen != demand->reset_request) {
        axis->reset_seen = demand->reset_request;
        axis->reset_pulse = RESET_PULSE_CYCLES;
        return DISABLE_VOLTAGE; /* bit 7 acts on its rising edge */
    }
    if (axis->reset_pulse == 0) return DISABLE_VOLTAGE;
    axis->reset_pulse--;
    return FAULT_RESET;
}

/* A drive that is found enabled, by whomever, is taken over where it stands. */
int fs_axis_was_commanded(const fs_axis *axis) {
    uint8_t before = axis->state.state;
    return before == FS_AXIS_HOLDING || before == FS_AXIS_FOLLOWING || before == FS_AXIS_RAMPING;
}

/* In a stop that is the drive's own the target goes along the ramp that is expected of it, until the motor was read back to
 * stand: what it does instead shows as following error, and a drive that did not hear the stop follows the ramp. */
static void expect_ramp(fs_axis *axis, const fs_axis_config *config, const fs_axis_demand *demand) {
    int known = fs_axis_was_commanded(axis) || axis->state.state == FS_AXIS_QUICK_STOP;
    if (demand->stands || config->stop_category == 0 || !known) stay_where_it_is(axis);
    else ramp_down(axis, config, demand->dt_s);
    if (!known && !demand->stands) axis->velocity = axis->state.velocity;
}

/* A drive that lets go of power by itself gets it again at once the first time, then later and later. */
static void note_let_go(fs_axis *axis) {
    static const double FIRST_S = 0.5, LONGEST_S = 10.0;
    double wait = FIRST_S;
    for (uint32_t before = 1; before < axis->state.let_go && wait < LONGEST_S; before++) wait *= 2;
    axis->power_wait_s = axis->state.let_go == 0 ? 0.0 : wait < LONGEST_S ? wait : LONGEST_S;
    axis->powered_s = 0.0;
    if (axis->state.let_go < UINT16_MAX) axis->state.let_go++;
}

/* A person has seen to it. */
static void forget_let_go(fs_axis *axis) {
    axis->state.let_go = 0;
    axis->power_wait_s = 0.0;
}

static void note_power(fs_axis *axis, double dt_s) {
    axis->powered_s += dt_s;
    if (axis->powered_s >= FS_STEADY_S) axis->state.let_go = 0;
}

static int awaits_power(fs_axis *axis, const fs_axis_demand *demand) {
    if (demand->enable && fs_axis_was_commanded(axis)) note_let_go(axis);
    if (axis->power_wait_s <= 0.0) return 0;
    axis->power_wait_s -= demand->dt_s;
    return 1;
}

/* Counts wrap as they do in a drive: behind the last one comes the first one. */
static int32_t position_word(double counts) {
    return (int32_t)(uint32_t)(int64_t)(counts < 0 ? counts - 0.5 : counts + 0.5);
}

static int32_t difference(int32_t target, int32_t position) { return (int32_t)((uint32_t)target - (uint32_t)position); }

static int32_t velocity_word(double speed) {
    return speed >= INT32_MAX ? INT32_MAX : speed <= INT32_MIN ? INT32_MIN : (int32_t)speed;
}

static uint8_t moving_mode(fs_axis *axis, const fs_axis_config *config, const fs_axis_demand *demand, int following) {
    if (following) return FS_AXIS_FOLLOWING;
    if (axis->velocity == 0.0) return FS_AXIS_HOLDING;
    ramp_down(axis, config, demand->dt_s);
    return axis->velocity == 0.0 ? FS_AXIS_HOLDING : FS_AXIS_RAMPING;
}

void fs_axis_step(fs_axis *axis, const fs_axis_config *config, const fs_axis_demand *demand, int following) {
    enum drive_state drive = drive_state_of(axis->state.statusword);
    fs_axis_state *state = &axis->state;
    if (axis->reset_seen != demand->reset_request) forget_let_go(axis);
    if (!fs_axis_faulted(axis)) axis->reset_seen = demand->reset_request; /* a reset is for the faults that are there */
    if (drive == FAULT || drive == FAULT_REACTION) {
        state->state = FS_AXIS_FAULT;
        state->controlword = fault_word(axis, demand);
        stay_where_it_is(axis);
    } else if (demand->stop == FS_STOP_ESTOP) {
        expect_ramp(axis, config, demand);
        state->state = FS_AXIS_QUICK_STOP;
        state->controlword = emergency_word(config, drive, demand->stands);
    } else if (drive == OPERATION_ENABLED) {
        if (!fs_axis_was_commanded(axis) && state->state != FS_AXIS_QUICK_STOP) stay_where_it_is(axis);
        note_power(axis, demand->dt_s);
        state->state = moving_mode(axis, config, demand, following);
        int keep = demand->enable || demand->keep || state->state == FS_AXIS_RAMPING;
        state->controlword = keep ? ENABLE_OPERATION : SHUTDOWN;
    } else {
        int waits = awaits_power(axis, demand);
        state->state = demand->enable ? FS_AXIS_ENABLING : FS_AXIS_DISABLED;
        state->controlword = demand->enable && !waits ? power_up_word(drive) : DISABLE_VOLTAGE;
        if (drive == QUICK_STOP_ACTIVE) state->controlword = leaving_word(axis, config, demand);
        stay_where_it_is(axis);
    }
    state->target = position_word(axis->target);
    state->target_velocity = velocity_word(axis->velocity);
    int stopping = demand->stop == FS_STOP_ESTOP && config->stop_category != 0 && !demand->stands;
    if (drive != QUICK_STOP_ACTIVE) axis->leaving = 0;
    state->following_error = drive == OPERATION_ENABLED || stopping ? difference(state->target, state->position) : 0;
    state->stop = (uint8_t)demand->stop;
}

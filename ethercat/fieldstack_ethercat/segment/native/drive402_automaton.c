/* State automaton of the CiA 402 drive: commands, transitions, stop reactions, statusword. Sources: IEC 61800-7-201
 * (objects, automaton), ETG.6010 (CSP and CSV over EtherCAT). */
#include "drive402_automaton.h"

#include "drive402_servo.h"

/* Controlword patterns (IEC 61800-7-201, table 28): mask, then value. */
enum { CW_FAULT_RESET = 0x0080, CW_HALT = 0x0100 };

enum {
    SW_REMOTE = 0x0200,
    SW_TARGET_REACHED = 0x0400,
    SW_INTERNAL_LIMIT = 0x0800,
    SW_FOLLOWS_COMMAND = 0x1000,
    SW_FOLLOWING_ERROR = 0x2000,
    SW_VOLTAGE_ENABLED = 0x0010
};

enum {
    ERROR_LIFE_GUARD = 0x8130, /* communication: process data were lost */
    ERROR_FOLLOWING = 0x8611
};

enum { OPTION_COAST = 0, OPTION_SLOW_RAMP = 1, OPTION_QUICK_RAMP = 2 };

/* Statusword bits 0 to 3, 5 and 6 of each state (IEC 61800-7-201, table 30). */
static const uint16_t STATE_BITS[] = {
    [FS_DRIVE_NOT_READY_TO_SWITCH_ON] = 0x0000, [FS_DRIVE_SWITCH_ON_DISABLED] = 0x0040,
    [FS_DRIVE_READY_TO_SWITCH_ON] = 0x0021,     [FS_DRIVE_SWITCHED_ON] = 0x0023,
    [FS_DRIVE_OPERATION_ENABLED] = 0x0027,      [FS_DRIVE_QUICK_STOP_ACTIVE] = 0x0007,
    [FS_DRIVE_FAULT_REACTION_ACTIVE] = 0x000F,  [FS_DRIVE_FAULT] = 0x0008,
};

static int is_shutdown(uint16_t cw) { return (cw & 0x0087) == 0x0006; }
static int is_switch_on(uint16_t cw) { return (cw & 0x0087) == 0x0007; } /* enable operation includes switch on */
static int is_disable_operation(uint16_t cw) { return (cw & 0x008F) == 0x0007; }
static int is_enable_operation(uint16_t cw) { return (cw & 0x008F) == 0x000F; }
static int is_disable_voltage(uint16_t cw) { return (cw & 0x0082) == 0x0000; }
static int is_quick_stop(uint16_t cw) { return (cw & 0x0086) == 0x0002; }

static int is_mode_supported(int8_t mode) { return mode == FS_DRIVE_MODE_CSP || mode == FS_DRIVE_MODE_CSV; }

static int target_reached(const fs_drive *d) {
    if (d->motion == FS_DRIVE_HOLD) {
        return 1;
    }
    if (d->motion != FS_DRIVE_FOLLOW) {
        return 0;
    }
    if (d->modes_of_operation_display == FS_DRIVE_MODE_CSP) {
        return servo_abs(d->setpoint - d->position) <= (double)d->position_window;
    }
    return servo_abs(d->setpoint - d->velocity) <= (double)d->velocity_window;
}

static uint16_t statusword(const fs_drive *d) {
    uint16_t word = (uint16_t)(STATE_BITS[d->state] | SW_VOLTAGE_ENABLED | SW_REMOTE);
    int following = d->state == FS_DRIVE_OPERATION_ENABLED && d->motion == FS_DRIVE_FOLLOW;
    word |= (uint16_t)(target_reached(d) ? SW_TARGET_REACHED : 0);
    word |= (uint16_t)(d->limited ? SW_INTERNAL_LIMIT : 0);
    word |= (uint16_t)(following ? SW_FOLLOWS_COMMAND : 0);
    word |= (uint16_t)(d->following_error ? SW_FOLLOWING_ERROR : 0);
    return word;
}

void automaton_publish(fs_drive *d) {
    d->statusword = d->powered ? statusword(d) : 0;
    servo_publish(d);
}

static void enter(fs_drive *d, uint8_t state, uint8_t transition) {
    d->state = state;
    d->last_transition = transition;
    d->transition_count++;
    d->state_time_s = 0.0;
}

static void coast(fs_drive *d, uint8_t state, uint8_t transition) {
    servo_coast(d);
    enter(d, state, transition);
}

/* Slows down as `option` says, and then takes `transition` into `state`. Coasting takes it at once. */
static void stop_then(fs_drive *d, int option, uint8_t state, uint8_t transition) {
    if (option == OPTION_COAST) {
        coast(d, state, transition);
        return;
    }
    d->next_state = state;
    d->next_transition = transition;
    double deceleration = 0.0; /* options 3 and 4: torque limit */
    if (option == OPTION_SLOW_RAMP) {
        deceleration = (double)d->profile_deceleration;
    } else if (option == OPTION_QUICK_RAMP) {
        deceleration = (double)d->quick_stop_deceleration;
    }
    if (d->ramp_share) {
        deceleration *= (double)d->ramp_share * 1e-3;
    }
    servo_ramp(d, deceleration);
}

static void enable_operation(fs_drive *d, uint8_t transition) {
    d->halted = 0;
    d->next_state = FS_DRIVE_OPERATION_ENABLED;
    servo_follow(d);
    enter(d, FS_DRIVE_OPERATION_ENABLED, transition);
}

/* 0x605A: options 5 to 8 stop as 1 to 4 do, and then hold the position in quick stop active. */
static int stays_in_quick_stop(const fs_drive *d) {
    return d->quick_stop_option_code >= 5 && d->quick_stop_option_code <= 8;
}

static void quick_stop(fs_drive *d) {
    int option = d->quick_stop_option_code;
    enter(d, FS_DRIVE_QUICK_STOP_ACTIVE, 11);
    if (stays_in_quick_stop(d)) {
        stop_then(d, option - 4, FS_DRIVE_QUICK_STOP_ACTIVE, 11);
    } else {
        stop_then(d, option, FS_DRIVE_SWITCH_ON_DISABLED, 12);
    }
}

void fs_drive_fault(fs_drive *d, uint16_t error_code) {
    if (!d->powered || d->state == FS_DRIVE_FAULT || d->state == FS_DRIVE_FAULT_REACTION_ACTIVE) {
        return;
    }
    d->error_code = error_code;
    int in_motion = d->state == FS_DRIVE_OPERATION_ENABLED || d->state == FS_DRIVE_QUICK_STOP_ACTIVE;
    enter(d, FS_DRIVE_FAULT_REACTION_ACTIVE, 13);
    stop_then(d, in_motion ? d->fault_reaction_option : OPTION_COAST, FS_DRIVE_FAULT, 14);
    automaton_publish(d);
}

/* 0x6007, for process data lost while operation is enabled. What is none of the known options is a fault. */
static void abort_connection(fs_drive *d) {
    if (d->abort_connection_option == 2) {
        coast(d, FS_DRIVE_SWITCH_ON_DISABLED, 9);
    } else if (d->abort_connection_option == 3) {
        quick_stop(d);
    } else {
        fs_drive_fault(d, ERROR_LIFE_GUARD);
    }
}

static void command_switch_on_disabled(fs_drive *d, uint16_t cw) {
    if (is_shutdown(cw)) {
        enter(d, FS_DRIVE_READY_TO_SWITCH_ON, 2);
    }
}

static void command_ready(fs_drive *d, uint16_t cw) {
    if (is_disable_voltage(cw) || is_quick_stop(cw)) {
        enter(d, FS_DRIVE_SWITCH_ON_DISABLED, 7);
    } else if (is_switch_on(cw)) {
        enter(d, FS_DRIVE_SWITCHED_ON, 3);
    }
}

static void command_switched_on(fs_drive *d, uint16_t cw, int outputs_valid) {
    if (is_disable_voltage(cw) || is_quick_stop(cw)) {
        coast(d, FS_DRIVE_SWITCH_ON_DISABLED, 10);
    } else if (is_shutdown(cw)) {
        coast(d, FS_DRIVE_READY_TO_SWITCH_ON, 6);
    } else if (is_enable_operation(cw) && outputs_valid && is_mode_supported(d->modes_of_operation_display)) {
        enable_operation(d, 4);
    }
}

static void command_enabled(fs_drive *d, uint16_t cw) {
    if (is_disable_voltage(cw)) {
        coast(d, FS_DRIVE_SWITCH_ON_DISABLED, 9);
    } else if (is_quick_stop(cw)) {
        quick_stop(d);
    } else if (d->next_state != FS_DRIVE_OPERATION_ENABLED) {
        return; /* already on a ramp that leads out of operation enabled */
    } else if (is_shutdown(cw)) {
        stop_then(d, d->shutdown_option, FS_DRIVE_READY_TO_SWITCH_ON, 8);
    } else if (is_disable_operation(cw)) {
        stop_then(d, d->disable_operation_option, FS_DRIVE_SWITCHED_ON, 5);
    }
}

static void command_quick_stop_active(fs_drive *d, uint16_t cw) {
    if (is_disable_voltage(cw)) {
        coast(d, FS_DRIVE_SWITCH_ON_DISABLED, 12);
    } else if (is_enable_operation(cw) && stays_in_quick_stop(d)) {
        enable_operation(d, 16);
    }
}

static void command_fault(fs_drive *d, uint16_t cw) {
    if ((cw & CW_FAULT_RESET) && !(d->previous_controlword & CW_FAULT_RESET)) {
        d->error_code = 0;
        d->following_error = 0;
        enter(d, FS_DRIVE_SWITCH_ON_DISABLED, 15);
    }
}

/* The controlword as a drive that is out of order takes it. */
static uint16_t heard(fs_drive *d) {
    uint16_t cw = d->controlword;
    int ignored = (d->defects & FS_DRIVE_IGNORES_CONTROLWORD) ||
                  ((d->defects & FS_DRIVE_IGNORES_QUICK_STOP) && is_quick_stop(cw)) ||
                  ((d->defects & FS_DRIVE_IGNORES_DISABLE_VOLTAGE) && is_disable_voltage(cw)) ||
                  ((d->defects & FS_DRIVE_IGNORES_SHUTDOWN) && (is_shutdown(cw) || is_disable_operation(cw)));
    if (d->state != FS_DRIVE_OPERATION_ENABLED || !ignored) {
        d->obeyed_controlword = cw;
    }
    return d->obeyed_controlword;
}

/* One transition a step at most. Without valid outputs nothing moves the motor, and a running stop is not cut short by
 * a controlword that the ESC has zeroed. */
static void obey(fs_drive *d, int outputs_valid) {
    uint16_t cw = heard(d);
    switch (d->state) {
    case FS_DRIVE_NOT_READY_TO_SWITCH_ON: enter(d, FS_DRIVE_SWITCH_ON_DISABLED, 1); break;
    case FS_DRIVE_SWITCH_ON_DISABLED: command_switch_on_disabled(d, cw); break;
    case FS_DRIVE_READY_TO_SWITCH_ON: command_ready(d, cw); break;
    case FS_DRIVE_SWITCHED_ON: command_switched_on(d, cw, outputs_valid); break;
    case FS_DRIVE_OPERATION_ENABLED:
        if (outputs_valid) {
            command_enabled(d, cw);
        } else {
            abort_connection(d);
        }
        break;
    case FS_DRIVE_QUICK_STOP_ACTIVE:
        if (outputs_valid) {
            command_quick_stop_active(d, cw);
        }
        break;
    case FS_DRIVE_FAULT: command_fault(d, cw); break;
    default: /* fault reaction active ends by itself */ break;
    }
    d->previous_controlword = cw;
}

/* Halt, bit 8: slows down and holds, in operation enabled; releasing it follows the setpoints again. */
static void obey_halt(fs_drive *d) {
    if (d->state != FS_DRIVE_OPERATION_ENABLED || d->next_state != FS_DRIVE_OPERATION_ENABLED) {
        return;
    }
    int halt = (d->obeyed_controlword & CW_HALT) != 0;
    if (halt && !d->halted) {
        int option = d->halt_option == OPTION_QUICK_RAMP ? OPTION_QUICK_RAMP : OPTION_SLOW_RAMP;
        stop_then(d, option, FS_DRIVE_OPERATION_ENABLED, d->last_transition);
    } else if (!halt && d->halted) {
        servo_follow(d);
    }
    d->halted = (uint8_t)halt;
}

static void select_mode(fs_drive *d) {
    int8_t mode = d->modes_of_operation;
    if (!is_mode_supported(mode) || mode == d->modes_of_operation_display) {
        return;
    }
    d->modes_of_operation_display = mode;
    if (d->motion == FS_DRIVE_FOLLOW) {
        servo_follow(d);
    }
}

/* The ramp has ended: take the transition that waited for it. */
static void finish_stop(fs_drive *d) {
    if (d->motion != FS_DRIVE_RAMP || !servo_stands_still(d)) {
        return;
    }
    servo_hold(d);
    if (d->next_state != d->state) {
        uint8_t state = d->next_state;
        d->next_state = FS_DRIVE_OPERATION_ENABLED;
        coast(d, state, d->next_transition);
    }
}

static void supervise_following_error(fs_drive *d, double dt_s) {
    int supervised = d->state == FS_DRIVE_OPERATION_ENABLED && d->motion == FS_DRIVE_FOLLOW &&
                     d->modes_of_operation_display == FS_DRIVE_MODE_CSP && d->following_error_window != 0xFFFFFFFFu;
    double error = d->demand_position - d->position;
    if (!supervised || servo_abs(error) <= (double)d->following_error_window) {
        d->following_error_time_s = 0.0;
        if (d->state != FS_DRIVE_FAULT && d->state != FS_DRIVE_FAULT_REACTION_ACTIVE) {
            d->following_error = 0;
        }
        return;
    }
    d->following_error = 1;
    d->following_error_time_s += dt_s;
    if (d->following_error_time_s > (double)d->following_error_timeout * 1e-3) {
        fs_drive_fault(d, ERROR_FOLLOWING);
    }
}

void automaton_obey(fs_drive *d, int outputs_valid) {
    select_mode(d);
    obey(d, outputs_valid);
    obey_halt(d);
}

void automaton_supervise(fs_drive *d, double dt_s) {
    supervise_following_error(d, dt_s);
    finish_stop(d);
}

void automaton_reset(fs_drive *d) {
    d->state = FS_DRIVE_NOT_READY_TO_SWITCH_ON;
    d->last_transition = 0;
    d->transition_count++;
    d->previous_controlword = 0;
    d->next_state = FS_DRIVE_OPERATION_ENABLED;
    d->halted = 0;
    d->following_error = 0;
    d->following_error_time_s = 0.0;
    d->state_time_s = 0.0;
    servo_coast(d);
}

/* The CiA 402 drive as a whole: defaults, power, one step. The state automaton is in drive402_automaton.c, servo and motor
 * are in drive402_servo.c. */
#include "drive402.h"

#include <string.h>

#include "drive402_automaton.h"
#include "drive402_servo.h"

static void set_defaults(fs_drive *d) {
    d->controlword = 0;
    d->modes_of_operation = FS_DRIVE_MODE_CSP;
    d->modes_of_operation_display = FS_DRIVE_MODE_CSP;
    d->target_velocity = 0;
    d->target_torque = 0;
    d->position_offset = 0;
    d->velocity_offset = 0;
    d->torque_offset = 0;
    d->digital_outputs = 0;
    d->digital_outputs_mask = 0xFFFFFFFFu;
    d->max_torque = 3000;
    d->error_code = 0;
    d->abort_connection_option = 1;
    d->quick_stop_option_code = 2;
    d->shutdown_option = 0;
    d->disable_operation_option = 1;
    d->halt_option = 1;
    d->fault_reaction_option = 2;
    d->following_error_window = 65536; /* half a revolution */
    d->following_error_timeout = 10;
    d->position_window = 1311;  /* a hundredth of a revolution */
    d->velocity_window = 13107; /* a tenth of a revolution a second */
    d->software_position_limit_min = 0;
    d->software_position_limit_max = 0;
    d->max_motor_speed = 6000;
    d->profile_deceleration = 13107200;    /* 100 rev/s^2 */
    d->quick_stop_deceleration = 39321600; /* 300 rev/s^2 */
    d->interpolation_time_value = 1;
    d->interpolation_time_index = -3;
    d->velocity_feed_forward = 1000;
}

static void restart(fs_drive *d) {
    automaton_reset(d);
    automaton_publish(d);
    d->target_position = d->position_actual;
    d->seen_target_position = d->position_actual;
    d->seen_target_velocity = 0;
    d->seen_setpoint_count = d->setpoint_count;
}

void fs_drive_init(fs_drive *d) {
    memset(d, 0, sizeof *d);
    d->motor_rated_torque = 1270;
    d->encoder_increments = 131072;
    d->motor_revolutions = 1;
    d->supported_drive_modes = (1u << (FS_DRIVE_MODE_CSP - 1)) | (1u << (FS_DRIVE_MODE_CSV - 1));
    d->inertia = 3.0e-4;
    d->viscous_friction = 1.0e-4;
    d->coulomb_friction = 0.03;
    d->position_gain = 120.0;
    d->velocity_gain = 800.0;
    d->velocity_integral_gain = 60000.0;
    d->powered = 1;
    set_defaults(d);
    restart(d);
}

void fs_drive_power(fs_drive *d, int on) {
    if (!on == !d->powered) {
        return;
    }
    d->powered = on ? 1 : 0;
    if (on) {
        set_defaults(d);
    }
    restart(d);
}

void fs_drive_step(fs_drive *d, double dt_s, int outputs_valid) {
    if (!(dt_s > 0.0)) {
        dt_s = 0.0; /* also for a NaN */
    }
    d->state_time_s += dt_s;
    if (d->defects & FS_DRIVE_IGNORES_AL) {
        outputs_valid = 1;
    }
    if (d->powered) {
        automaton_obey(d, outputs_valid);
        if (outputs_valid) {
            servo_take_setpoint(d);
        }
    }
    servo_advance(d, dt_s);
    if (d->powered) {
        automaton_supervise(d, dt_s);
    }
    automaton_publish(d);
}

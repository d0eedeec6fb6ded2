/* Servo and motor of the CiA 402 drive: position loop (P) over velocity loop (PI) over a torque-limited motor with
 * inertia, viscous and Coulomb friction. Stepped in substeps short against the loops' bandwidth, whatever dt is. */
#include "drive402_servo.h"

#define SUBSTEP_S 125e-6
#define MAX_SUBSTEPS 400
#define TWO_PI 6.283185307179586
#define STANDSTILL_REV_S 0.05
#define RAMP_PATIENCE_S 2.0        /* a motor that still turns so long after its ramp is given up on */
#define EXTRAPOLATED_PERIODS 20.0  /* missed setpoints that are bridged before the drive slows down by itself */
#define INTEGRATOR_DEAD_BAND 100.0 /* counts/s; keeps friction and integrator from hunting at standstill */

double servo_abs(double value) { return value < 0.0 ? -value : value; }

static double clamp(double value, double limit) { return value > limit ? limit : (value < -limit ? -limit : value); }

static double sign(double value) { return (double)((value > 0.0) - (value < 0.0)); }

static double round_half_away(double value) { return (double)(int64_t)(value + (value < 0.0 ? -0.5 : 0.5)); }

/* The encoder's 32 bits: wraps as the real one does. */
static int32_t wrapped(double counts) {
    uint32_t bits = (uint32_t)(uint64_t)(int64_t)round_half_away(counts);
    return bits <= INT32_MAX ? (int32_t)bits : (int32_t)((int64_t)bits - 0x100000000LL);
}

static double saturated(double value, double limit) { return round_half_away(clamp(value, limit)); }

static int32_t to_i32(double value) { return (int32_t)saturated(value, (double)INT32_MAX); }

static double counts_per_revolution(const fs_drive *d) {
    if (d->encoder_increments == 0 || d->motor_revolutions == 0) {
        return 131072.0;
    }
    return (double)d->encoder_increments / (double)d->motor_revolutions;
}

/* 0x6080 in counts/s. */
static double speed_limit(const fs_drive *d) { return (double)d->max_motor_speed / 60.0 * counts_per_revolution(d); }

static double rated_torque(const fs_drive *d) { return (double)d->motor_rated_torque * 1e-3; }

/* 0x60C2: value times ten to the power of index, in seconds; 1 ms if that is outside 50 us to 1 s. */
static double interpolation_period(const fs_drive *d) {
    double period = (double)d->interpolation_time_value;
    for (int i = d->interpolation_time_index; i < 0 && i > -10; i++) {
        period *= 0.1;
    }
    int usable = d->interpolation_time_index <= 0 && d->interpolation_time_index > -10;
    return usable && period >= 49e-6 && period <= 1.0 ? period : 1e-3;
}

static void forget_setpoint(fs_drive *d) {
    d->setpoint_age_s = -1.0; /* none seen yet: the first one carries no velocity */
    d->interpolation_left_s = 0.0;
    d->demand_slope = 0.0;
    d->feed_velocity = 0.0;
    d->feed_acceleration = 0.0;
}

void servo_coast(fs_drive *d) {
    d->motion = FS_DRIVE_COAST;
    d->integrator = 0.0;
    d->torque = 0.0;
    d->demand_velocity = 0.0;
    d->demand_position = d->position;
    d->setpoint = d->position;
    forget_setpoint(d);
}

void servo_follow(fs_drive *d) {
    d->motion = FS_DRIVE_FOLLOW;
    forget_setpoint(d);
    d->demand_position = d->position;
    d->demand_velocity = d->velocity;
    d->setpoint = d->modes_of_operation_display == FS_DRIVE_MODE_CSV ? d->velocity : d->position;
}

void servo_ramp(fs_drive *d, double deceleration) {
    if (d->motion != FS_DRIVE_RAMP) {
        d->demand_velocity = d->velocity;
    }
    d->motion = FS_DRIVE_RAMP;
    d->ramp_deceleration = deceleration;
    d->ramp_over_s = 0.0;
    forget_setpoint(d);
}

void servo_hold(fs_drive *d) {
    d->motion = FS_DRIVE_HOLD;
    d->demand_position = d->position;
    d->demand_velocity = 0.0;
    forget_setpoint(d);
}

int servo_stands_still(const fs_drive *d) {
    if (d->demand_velocity != 0.0) {
        return 0;
    }
    return servo_abs(d->velocity) < STANDSTILL_REV_S * counts_per_revolution(d) || d->ramp_over_s > RAMP_PATIENCE_S;
}

static double limited_position(fs_drive *d, double target) {
    double low = (double)d->software_position_limit_min;
    double high = (double)d->software_position_limit_max;
    if (low >= high) {
        return target;
    }
    return target < low ? low : (target > high ? high : target);
}

static void take_position(fs_drive *d, double period, double periods) {
    double base = round_half_away(d->setpoint);
    uint32_t step = (uint32_t)d->target_position + (uint32_t)d->position_offset - (uint32_t)wrapped(base);
    double target = limited_position(d, base + (double)wrapped((double)step));
    double feed = d->setpoint_age_s < 0.0 ? 0.0 : (target - d->setpoint) / (periods * period);
    d->feed_velocity = clamp(feed, speed_limit(d));
    d->demand_slope = (target - d->demand_position) / period;
    d->setpoint = target;
}

static void take_velocity(fs_drive *d, double period) {
    d->setpoint = (double)d->target_velocity + (double)d->velocity_offset;
    d->demand_slope = (d->setpoint - d->demand_velocity) / period;
}

/* A changed target always is a new setpoint; an unchanged one is, if the ESC delivered it about a period after the last.
 * Frames may come twice in a period (a second master's, a retry), or not at all for some periods. */
void servo_take_setpoint(fs_drive *d) {
    int is_csv = d->modes_of_operation_display == FS_DRIVE_MODE_CSV;
    int changed =
        is_csv ? d->target_velocity != d->seen_target_velocity : d->target_position != d->seen_target_position;
    int delivered = d->setpoint_count != d->seen_setpoint_count;
    double period = interpolation_period(d);
    d->seen_setpoint_count = d->setpoint_count;
    d->seen_target_position = d->target_position;
    d->seen_target_velocity = d->target_velocity;
    if ((d->defects & FS_DRIVE_IGNORES_SETPOINTS) && d->velocity != 0.0) {
        return;
    }
    int first = d->setpoint_age_s < 0.0;
    if (d->motion != FS_DRIVE_FOLLOW || !(first || changed || (delivered && d->setpoint_age_s >= 0.5 * period))) {
        return;
    }
    double periods = round_half_away(d->setpoint_age_s / period);
    if (is_csv) {
        take_velocity(d, period);
    } else {
        take_position(d, period, periods < 1.0 ? 1.0 : periods);
    }
    d->setpoint_age_s = 0.0;
    d->interpolation_left_s = period;
}

/* Setpoints stay away: carry on for a few periods, then slow down instead of stopping dead. */
static void bridge_missing_setpoints(fs_drive *d, double period, double h) {
    if (d->setpoint_age_s > (1.0 + EXTRAPOLATED_PERIODS) * period && !(d->defects & FS_DRIVE_IGNORES_SETPOINTS)) {
        double less = (double)d->quick_stop_deceleration * h;
        d->feed_velocity = servo_abs(d->feed_velocity) <= less ? 0.0 : d->feed_velocity - sign(d->feed_velocity) * less;
    }
    d->demand_position += d->feed_velocity * h;
}

static void interpolate_position(fs_drive *d, double period, double h) {
    if (d->setpoint_age_s < 0.0) {
        return;
    }
    if (d->interpolation_left_s > h) {
        d->interpolation_left_s -= h;
        d->demand_position += d->demand_slope * h;
    } else if (d->interpolation_left_s > 0.0) {
        double over = h - d->interpolation_left_s;
        d->interpolation_left_s = 0.0;
        d->demand_position = d->setpoint + d->feed_velocity * over;
    } else {
        bridge_missing_setpoints(d, period, h);
    }
    d->setpoint_age_s += h;
}

static void interpolate_velocity(fs_drive *d, double h) {
    if (d->setpoint_age_s < 0.0) {
        return;
    }
    d->feed_acceleration = d->demand_slope;
    if (d->interpolation_left_s > h) {
        d->interpolation_left_s -= h;
        d->demand_velocity += d->demand_slope * h;
    } else {
        d->interpolation_left_s = 0.0;
        d->demand_velocity = d->setpoint;
        d->demand_slope = 0.0;
    }
    d->setpoint_age_s += h;
}

static void advance_ramp(fs_drive *d, double h) {
    double less = d->ramp_deceleration * h;
    if (d->ramp_deceleration <= 0.0 || servo_abs(d->demand_velocity) <= less) {
        d->ramp_over_s += h;
        d->demand_velocity = 0.0;
        d->feed_acceleration = 0.0;
        return;
    }
    d->feed_acceleration = -sign(d->demand_velocity) * d->ramp_deceleration;
    d->demand_velocity += d->feed_acceleration * h;
}

/* The velocity that the velocity loop is to reach, counts/s. */
static double velocity_command(fs_drive *d, double period, double h) {
    double feed = 0.0;
    if (d->motion == FS_DRIVE_RAMP) {
        advance_ramp(d, h);
        return d->demand_velocity;
    }
    if (d->motion == FS_DRIVE_FOLLOW && d->modes_of_operation_display == FS_DRIVE_MODE_CSV) {
        interpolate_velocity(d, h);
        return d->demand_velocity;
    }
    if (d->motion == FS_DRIVE_FOLLOW) {
        interpolate_position(d, period, h);
        feed = d->feed_velocity * (double)d->velocity_feed_forward * 1e-3 + (double)d->velocity_offset;
        d->demand_velocity = feed;
    }
    return feed + d->position_gain * (d->demand_position - d->position);
}

/* Torque in Nm that the power stage gives, within 0x6072. */
static double servo_torque(fs_drive *d, double command, double newton_metres, double h) {
    double error = command - d->velocity;
    double limit = rated_torque(d) * (double)d->max_torque * 1e-3;
    double offset = rated_torque(d) * (double)d->torque_offset * 1e-3;
    double acceleration = d->velocity_gain * error + d->integrator + d->feed_acceleration;
    double wanted = acceleration * newton_metres + (d->motion == FS_DRIVE_FOLLOW ? offset : 0.0);
    double given = clamp(wanted, limit);
    int pushes_further = wanted != given && sign(wanted) == sign(error);
    int rests = d->velocity == 0.0 && servo_abs(error) < INTEGRATOR_DEAD_BAND;
    if (wanted != given) {
        d->limited = 1;
    }
    if (!pushes_further && !rests) {
        d->integrator += d->velocity_integral_gain * error * h;
    }
    return given;
}

/* Inertia with friction; Coulomb friction stops the motor but never turns it round. */
static void move_motor(fs_drive *d, double newton_metres, double h) {
    double omega = d->velocity * TWO_PI / counts_per_revolution(d);
    double force = d->torque + d->load_torque - d->viscous_friction * omega;
    double direction = d->velocity != 0.0 ? sign(d->velocity) : sign(force);
    if (d->velocity == 0.0 && servo_abs(force) <= d->coulomb_friction) {
        return;
    }
    double velocity = d->velocity + h * (force - direction * d->coulomb_friction) / newton_metres;
    if (velocity * direction < 0.0 && servo_abs(force) <= d->coulomb_friction) {
        velocity = 0.0;
    }
    d->velocity = velocity;
    d->position += velocity * h;
}

static void substep(fs_drive *d, double period, double h) {
    double newton_metres = d->inertia * TWO_PI / counts_per_revolution(d); /* torque for 1 count/s^2 */
    if (d->motion == FS_DRIVE_COAST) {
        d->torque = 0.0;
    } else {
        double command = velocity_command(d, period, h);
        double allowed = clamp(command, speed_limit(d));
        if (command != allowed) {
            d->limited = 1;
        }
        d->torque = servo_torque(d, allowed, newton_metres, h);
    }
    move_motor(d, newton_metres, h);
}

static int software_limit_acts(const fs_drive *d) {
    return d->motion == FS_DRIVE_FOLLOW && d->modes_of_operation_display == FS_DRIVE_MODE_CSP &&
           d->software_position_limit_min < d->software_position_limit_max &&
           wrapped(d->setpoint) != (int32_t)((uint32_t)d->target_position + (uint32_t)d->position_offset);
}

void servo_advance(fs_drive *d, double dt_s) {
    double simulated = dt_s > MAX_SUBSTEPS * SUBSTEP_S ? MAX_SUBSTEPS * SUBSTEP_S : dt_s;
    double period = interpolation_period(d);
    int substeps = (int)(simulated / SUBSTEP_S) + 1;
    double h = simulated / substeps;
    d->lost_time_s += dt_s - simulated;
    d->time_s += simulated;
    d->limited = (uint8_t)software_limit_acts(d);
    for (int i = 0; i < substeps && h > 0.0; i++) {
        substep(d, period, h);
    }
    if (d->motion == FS_DRIVE_COAST || d->motion == FS_DRIVE_RAMP ||
        (d->motion == FS_DRIVE_FOLLOW && d->modes_of_operation_display == FS_DRIVE_MODE_CSV)) {
        d->demand_position = d->position;
    }
}

void servo_publish(fs_drive *d) {
    double rated = rated_torque(d);
    double per_mille = rated > 0.0 ? d->torque / rated * 1000.0 : 0.0;
    d->position_actual = d->defects & FS_DRIVE_SHOWS_NO_MOTION ? d->position_actual : wrapped(d->position);
    d->position_demand = wrapped(d->demand_position);
    d->velocity_actual = d->defects & FS_DRIVE_SHOWS_NO_VELOCITY ? 0 : to_i32(d->velocity);
    d->velocity_demand = to_i32(d->demand_velocity);
    d->torque_actual = (int16_t)saturated(per_mille, 32767.0);
    d->torque_demand = d->torque_actual;
    d->following_error_actual = to_i32(d->demand_position - d->position);
}

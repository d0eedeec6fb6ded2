/* One CiA 402 axis as the cycle drives it: CSP or CSV, stop categories of IEC 60204-1. */
#ifndef FIELDSTACK_AXIS_H
#define FIELDSTACK_AXIS_H

#include <stdint.h>

#include "layout.h"

/* Offsets are bytes inside the output or input image; -1: the object is not mapped. */
typedef struct fs_axis_config {
    int32_t controlword, mode, target_position, target_velocity;              /* outputs */
    int32_t statusword, mode_display, position, velocity, torque, error_code; /* inputs */
    int32_t operation_mode;                                                   /* 0x6060: 8 CSP, 9 CSV */
    int32_t stop_category;                                                    /* 0, 1, 2 */
    double deceleration;                                                      /* counts/s^2, of a controlled stop */
    double velocity_max;                                                      /* counts/s */
    double position_min, position_max;                                        /* counts */
    double start_tolerance; /* counts a stream's first setpoint may lie away */
    double velocity_beyond; /* counts/s, while its target is beyond a position limit */

    /* What a stop of it is held to; see standstill.h. */
    uint64_t stop_margin_ns;           /* beside its ramp */
    uint64_t rung_ns;                  /* time of each rung of its ladder */
    uint32_t stale_limit;              /* cycles without inputs, after which nothing is known of it */
    uint32_t rungs;                    /* of `ladder` */
    uint8_t ladder[8];                 /* enum fs_rung */
    int32_t brake;                     /* byte of its brake in the output image; -1: none */
    uint8_t brake_mask, brake_applied; /* its bits there, and what they are with the brake applied */
} fs_axis_config;

typedef struct fs_axis {
    fs_axis_state state;  /* what is published */
    double target;        /* counts */
    double velocity;      /* counts/s of the target */
    uint32_t reset_pulse; /* cycles of the fault reset that are left */
    uint32_t reset_seen;  /* the reset request that has been served */
    double powered_s;     /* in operation enabled, without a break */
    double power_wait_s;  /* until power is given again */
    uint32_t leaving;     /* cycles in which it was told to leave a quick stop that holds */
} fs_axis;

/* What is asked of all axes in this cycle. */
typedef struct fs_axis_demand {
    uint32_t stop; /* enum fs_stop */
    uint32_t reset_request;
    int enable; /* it is given power */
    double dt_s;
    int keep;   /* power that it has is not taken from it yet */
    int stands; /* it was read back to stand */
} fs_axis_demand;

void fs_axis_read(fs_axis *axis, const fs_axis_config *config, const uint8_t *inputs);
/* Takes a setpoint, or says why not (enum fs_refusal; nothing is changed then). Beyond a position limit the target goes
 * slowly, and only towards the range. */
uint32_t fs_axis_follow(fs_axis *axis, const fs_axis_config *config, int32_t position, int32_t velocity, double dt_s);
/* Whether a stream may begin to command it there: enum fs_refusal. */
uint32_t fs_axis_accepts(const fs_axis *axis, const fs_axis_config *config, int32_t position);
/* After a gap: the target goes on from where the motor is, and as fast. */
void fs_axis_catch(fs_axis *axis, const fs_axis_config *config, double dt_s);
/* Chooses control word and target; `following`: a setpoint was taken in this cycle. */
void fs_axis_step(fs_axis *axis, const fs_axis_config *config, const fs_axis_demand *demand, int following);
void fs_axis_write(const fs_axis *axis, const fs_axis_config *config, uint8_t *outputs);
int fs_axis_enabled(const fs_axis *axis);
int fs_axis_faulted(const fs_axis *axis);
int fs_axis_quick_stopping(const fs_axis *axis);
int fs_axis_powered(const fs_axis *axis);       /* its drive says that the motor may have torque */
int fs_axis_was_commanded(const fs_axis *axis); /* in the last cycle, under power */
int fs_axis_word_enables(const fs_axis *axis);  /* the control word sent last */
int fs_axis_word_is_quick_stop(const fs_axis *axis);
/* Sends disable voltage (0) or quick stop (1) in place of what fs_axis_step chose. */
void fs_axis_force(fs_axis *axis, int quick_stop);
/* A motor that turns no faster is at rest, counts/s. */
double fs_axis_rest_speed(const fs_axis_config *config, double dt_s);
int fs_axis_fresh(const fs_axis_config *config, const uint8_t *inputs); /* its drive has written there, see below */
/* Leaves a mark in the inputs that no drive writes: what is not overwritten in an exchange did not come. */
void fs_axis_mark(const fs_axis_config *config, uint8_t *inputs);
int fs_axis_standing(const fs_axis *axis); /* its target does */
/* Its motor does, too: a servo is behind its target, and without power it would coast the rest of the way. */
int fs_axis_at_rest(const fs_axis *axis, const fs_axis_config *config, double dt_s);

#endif

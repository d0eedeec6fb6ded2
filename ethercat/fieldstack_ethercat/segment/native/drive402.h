/*
 * A CiA 402 servo drive (IEC 61800-7-201/-301) with its motor, as one plain struct.
 *
 * Objects of the dictionary are fields under their usual names; the ESC copies process data from and to them, the CoE
 * server reads and writes them. Position is in counts, velocity in counts/s, torque in per mille of rated torque
 * (objects) or Nm (model). Nothing here allocates, locks, does I/O or calls libm.
 *
 * This header is read by cffi too: besides the include guard it holds plain declarations only.
 */
#ifndef FS_DRIVE402_H
#define FS_DRIVE402_H

#include <stdint.h>

/* States of the power drive system's finite state automaton (IEC 61800-7-201, 6.3). */
enum fs_drive_state {
    FS_DRIVE_NOT_READY_TO_SWITCH_ON = 0,
    FS_DRIVE_SWITCH_ON_DISABLED = 1,
    FS_DRIVE_READY_TO_SWITCH_ON = 2,
    FS_DRIVE_SWITCHED_ON = 3,
    FS_DRIVE_OPERATION_ENABLED = 4,
    FS_DRIVE_QUICK_STOP_ACTIVE = 5,
    FS_DRIVE_FAULT_REACTION_ACTIVE = 6,
    FS_DRIVE_FAULT = 7
};

/* What the power stage does with the motor just now. */
enum fs_drive_motion {
    FS_DRIVE_COAST = 0,  /* power stage off: only friction and load act */
    FS_DRIVE_FOLLOW = 1, /* follows the setpoints of CSP or CSV */
    FS_DRIVE_RAMP = 2,   /* slows down along a ramp, `ramp_deceleration` */
    FS_DRIVE_HOLD = 3    /* holds the position where the ramp ended */
};

/* What a drive that is out of order does not do, or shows wrongly; bits. They outlive its power. */
enum fs_drive_defect {
    FS_DRIVE_IGNORES_QUICK_STOP = 1, /* that command, as if it had not come */
    FS_DRIVE_IGNORES_DISABLE_VOLTAGE = 2,
    FS_DRIVE_IGNORES_SHUTDOWN = 4,    /* and disable operation */
    FS_DRIVE_IGNORES_CONTROLWORD = 8, /* the command that it obeyed last stays in force */
    FS_DRIVE_IGNORES_SETPOINTS = 16,  /* it goes on at the speed that it has */
    FS_DRIVE_IGNORES_AL = 32,         /* without valid outputs, below OP, it goes on by the last ones */
    FS_DRIVE_SHOWS_NO_VELOCITY = 64,  /* 0x606C is 0 */
    FS_DRIVE_SHOWS_NO_MOTION = 128    /* 0x6064 stays as it is */
};

typedef struct fs_drive {
    /* --- objects: written by the master --- */
    uint16_t controlword;          /* 0x6040 */
    int8_t modes_of_operation;     /* 0x6060: 8 CSP, 9 CSV */
    int32_t target_position;       /* 0x607A, counts */
    int32_t target_velocity;       /* 0x60FF, counts/s */
    int16_t target_torque;         /* 0x6071, per mille of rated torque; kept, no mode uses it yet */
    int32_t position_offset;       /* 0x60B0, counts */
    int32_t velocity_offset;       /* 0x60B1, counts/s */
    int16_t torque_offset;         /* 0x60B2, per mille */
    uint32_t digital_outputs;      /* 0x60FE:01 */
    uint32_t digital_outputs_mask; /* 0x60FE:02 */
    uint16_t max_torque;           /* 0x6072, per mille */

    /* --- objects: read by the master --- */
    uint16_t statusword;               /* 0x6041 */
    uint16_t error_code;               /* 0x603F */
    int8_t modes_of_operation_display; /* 0x6061 */
    int32_t position_demand;           /* 0x6062, counts */
    int32_t position_actual;           /* 0x6064, counts */
    int32_t velocity_demand;           /* 0x606B, counts/s */
    int32_t velocity_actual;           /* 0x606C, counts/s */
    int16_t torque_demand;             /* 0x6074, per mille */
    int16_t torque_actual;             /* 0x6077, per mille */
    int32_t following_error_actual;    /* 0x60F4, counts */
    uint32_t digital_inputs;           /* 0x60FD */

    /* --- objects: parameters --- */
    int16_t abort_connection_option;     /* 0x6007: 1 fault, 2 disable voltage, 3 quick stop */
    int16_t quick_stop_option_code;      /* 0x605A: 0 to 3 then switch on disabled, 5 to 7 stay in quick stop active */
    int16_t shutdown_option;             /* 0x605B: 0 coast, 1 ramp 0x6084 */
    int16_t disable_operation_option;    /* 0x605C: 0 coast, 1 ramp 0x6084 */
    int16_t halt_option;                 /* 0x605D: 1 ramp 0x6084, 2 ramp 0x6085 */
    int16_t fault_reaction_option;       /* 0x605E: 0 coast, 1 ramp 0x6084, 2 ramp 0x6085, 3 torque limit */
    uint32_t following_error_window;     /* 0x6065, counts; 0xFFFFFFFF: no supervision */
    uint16_t following_error_timeout;    /* 0x6066, ms */
    uint32_t position_window;            /* 0x6067, counts */
    uint16_t velocity_window;            /* 0x606D, counts/s */
    uint32_t motor_rated_torque;         /* 0x6076, mNm */
    int32_t software_position_limit_min; /* 0x607D:01; min >= max: no limit */
    int32_t software_position_limit_max; /* 0x607D:02 */
    uint32_t max_motor_speed;            /* 0x6080, 1/min */
    uint32_t profile_deceleration;       /* 0x6084, counts/s^2 */
    uint32_t quick_stop_deceleration;    /* 0x6085, counts/s^2 */
    uint32_t encoder_increments;         /* 0x608F:01, counts per `motor_revolutions` */
    uint32_t motor_revolutions;          /* 0x608F:02 */
    uint8_t interpolation_time_value;    /* 0x60C2:01 */
    int8_t interpolation_time_index;     /* 0x60C2:02, power of ten, seconds */
    uint32_t supported_drive_modes;      /* 0x6502 */
    uint16_t velocity_feed_forward;      /* 0x2010, per mille of the setpoints' own velocity */

    /* --- between the ESC and the drive --- */
    uint32_t setpoint_count; /* the ESC adds one whenever it has copied outputs into the objects above */

    /* --- state automaton --- */
    uint8_t state;           /* enum fs_drive_state */
    uint8_t motion;          /* enum fs_drive_motion */
    uint8_t powered;         /* supply of the control electronics */
    uint8_t last_transition; /* number after IEC 61800-7-201, 0 to 16 */
    uint32_t transition_count;
    uint16_t previous_controlword; /* for the rising edge of fault reset */
    uint8_t next_state;            /* where a ramp leads to */
    uint8_t next_transition;
    uint8_t halted;
    uint8_t limited;               /* a limit acts: torque, speed or software position limit */
    uint8_t following_error;       /* statusword bit 13 */
    double state_time_s;           /* time in this state */
    double following_error_time_s; /* time outside the window */

    /* --- setpoint interpolation --- */
    uint32_t seen_setpoint_count;
    int32_t seen_target_position;
    int32_t seen_target_velocity;
    double setpoint_age_s;       /* since the newest setpoint */
    double setpoint;             /* newest setpoint: counts (CSP, unwrapped) or counts/s (CSV) */
    double demand_position;      /* interpolated, counts, unwrapped */
    double demand_velocity;      /* interpolated, counts/s */
    double demand_slope;         /* of the interpolation: counts/s (CSP) or counts/s^2 (CSV) */
    double interpolation_left_s; /* until the demand meets the setpoint */
    double feed_velocity;        /* feed-forward, counts/s */
    double feed_acceleration;    /* feed-forward, counts/s^2 */
    double ramp_deceleration;    /* counts/s^2; 0: as fast as the torque allows */
    double ramp_over_s;          /* time since the ramp's own velocity reached zero */

    /* --- servo gains --- */
    double position_gain;          /* 1/s */
    double velocity_gain;          /* 1/s */
    double velocity_integral_gain; /* 1/s^2 */
    double integrator;             /* counts/s^2 */

    /* --- motor: parameters, then the truth --- */
    double inertia;          /* kg m^2, motor and load */
    double viscous_friction; /* Nm s/rad */
    double coulomb_friction; /* Nm */
    double load_torque;      /* Nm, from outside; positive drives the motor forward */
    double position;         /* counts, unwrapped */
    double velocity;         /* counts/s */
    double torque;           /* Nm, at the shaft, of the motor alone */
    double time_s;           /* model time since fs_drive_init */
    double lost_time_s;      /* time that steps longer than the bound (50 ms) did not simulate */

    /* --- out of order --- */
    uint8_t defects;             /* enum fs_drive_defect */
    uint16_t ramp_share;         /* per mille of a ramp's deceleration that it really has; 0: all of it */
    uint16_t obeyed_controlword; /* the last one that it did not ignore */
} fs_drive;

/* Factory state: defaults in all objects, motor at rest at position 0, powered, not ready to switch on. */
void fs_drive_init(fs_drive *drive);

/* Power off: the motor coasts, objects keep their last values. Power on: objects get their defaults, the motor keeps
 * its motion and its (absolute) position. */
void fs_drive_power(fs_drive *drive, int on);

/* Advances drive and motor by dt_s seconds. `outputs_valid`: the slave is in OP and its process data is fresh. Losing it
 * while operation is enabled starts the abort connection reaction (0x6007). Costs at most 400 substeps (50 ms); what a
 * longer dt_s leaves over is added to lost_time_s. */
void fs_drive_step(fs_drive *drive, double dt_s, int outputs_valid);

/* A fault from inside the drive: fault reaction after 0x605E, then Fault, with `error_code` in 0x603F. */
void fs_drive_fault(fs_drive *drive, uint16_t error_code);

#endif

/* Inside of the drive: setpoint interpolation, servo loops and motor model. Not read by cffi. */
#ifndef FS_DRIVE402_SERVO_H
#define FS_DRIVE402_SERVO_H

#include "drive402.h"

enum { FS_DRIVE_MODE_CSP = 8, FS_DRIVE_MODE_CSV = 9 };

double servo_abs(double value);

/* Power stage off. */
void servo_coast(fs_drive *drive);

/* Follow the setpoints of the displayed mode from where the motor is now. */
void servo_follow(fs_drive *drive);

/* Slow down from the present velocity with `deceleration` counts/s^2; 0: as fast as the torque allows. */
void servo_ramp(fs_drive *drive, double deceleration);

/* Hold the present position. */
void servo_hold(fs_drive *drive);

/* The ramp is over and the motor stands. */
int servo_stands_still(const fs_drive *drive);

/* Notices a new setpoint in the objects. */
void servo_take_setpoint(fs_drive *drive);

/* Advances interpolation, loops and motor by dt_s. */
void servo_advance(fs_drive *drive, double dt_s);

/* Model to objects. */
void servo_publish(fs_drive *drive);

#endif

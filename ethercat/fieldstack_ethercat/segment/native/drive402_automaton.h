/* Inside of the drive: its state automaton. Not read by cffi. */
#ifndef FS_DRIVE402_AUTOMATON_H
#define FS_DRIVE402_AUTOMATON_H

#include "drive402.h"

/* Power-on state; keeps the motor's motion. */
void automaton_reset(fs_drive *drive);

/* Mode selection, controlword and halt bit: at most one transition by command. */
void automaton_obey(fs_drive *drive, int outputs_valid);

/* After the motor has moved: following error, end of a stop. */
void automaton_supervise(fs_drive *drive, double dt_s);

/* Statusword and actual values to the objects. */
void automaton_publish(fs_drive *drive);

#endif

/*
 * A digital terminal with eight outputs and eight inputs. One byte a channel, 0 or 1.
 *
 * This header is read by cffi too: besides the include guard it holds plain declarations only.
 */
#ifndef FS_DIGITAL_IO_H
#define FS_DIGITAL_IO_H

#include <stdint.h>

typedef struct fs_dio {
    uint8_t outputs[8]; /* 0x7000:01..08, what the master commands */
    uint8_t inputs[8];  /* 0x6000:01..08, what the master reads */
    uint8_t driven[8];  /* the truth at the output clamps: zero whenever outputs are not valid */
    uint8_t wired[8];   /* the truth at the input clamps, set by the bench */
    uint8_t loop_back;  /* 1: output clamp n is wired to input clamp n; default 0 */
    uint8_t powered;
    uint32_t output_changes; /* steps in which an output clamp changed */
    double time_s;           /* since fs_dio_init */
} fs_dio;

/* All channels zero, no loop-back, powered. */
void fs_dio_init(fs_dio *dio);

/* Power off: all outputs and inputs fall to zero. Power on: they work again. */
void fs_dio_power(fs_dio *dio, int on);

/* Drives the clamps from `outputs` (zero if not outputs_valid or not powered) and reads the inputs. */
void fs_dio_step(fs_dio *dio, double dt_s, int outputs_valid);

#endif

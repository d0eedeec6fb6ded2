#include "digital_io.h"

#include <string.h>

enum { CHANNELS = 8 };

void fs_dio_init(fs_dio *dio) {
    memset(dio, 0, sizeof *dio);
    dio->powered = 1;
}

void fs_dio_power(fs_dio *dio, int on) {
    dio->powered = on ? 1 : 0;
    if (!on) {
        memset(dio->outputs, 0, sizeof dio->outputs);
        fs_dio_step(dio, 0.0, 0);
    }
}

void fs_dio_step(fs_dio *dio, double dt_s, int outputs_valid) {
    int changed = 0;
    for (int channel = 0; channel < CHANNELS; channel++) {
        uint8_t level = (uint8_t)(outputs_valid && dio->powered && (dio->outputs[channel] & 1));
        changed |= level != dio->driven[channel];
        dio->driven[channel] = level;
        if (dio->loop_back) {
            dio->wired[channel] = level;
        }
        dio->inputs[channel] = (uint8_t)(dio->powered && (dio->wired[channel] & 1));
    }
    dio->output_changes += (uint32_t)changed;
    if (dt_s > 0.0) {
        dio->time_s += dt_s;
    }
}

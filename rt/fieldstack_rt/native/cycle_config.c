/* Whether a configuration may be run: nothing that the cycle reads or writes by it lies outside of the process image.
 * Bounds are compared without a sum, which could wrap. */
#include "cycle.h"

static int in_image(uint32_t offset, uint32_t size, uint32_t image) { return size <= image && offset <= image - size; }

/* -1: the object is not mapped. */
static int object_fits(int32_t offset, uint32_t size, uint32_t image) {
    return offset < 0 || in_image((uint32_t)offset, size, image);
}

static int outputs_fit(const fs_axis_config *axis, uint32_t image) {
    return object_fits(axis->controlword, 2, image) && object_fits(axis->mode, 1, image) &&
           object_fits(axis->target_position, 4, image) && object_fits(axis->target_velocity, 4, image) &&
           object_fits(axis->brake, 1, image);
}

static int inputs_fit(const fs_axis_config *axis, uint32_t image) {
    return object_fits(axis->statusword, 2, image) && object_fits(axis->mode_display, 1, image) &&
           object_fits(axis->position, 4, image) && object_fits(axis->velocity, 4, image) &&
           object_fits(axis->torque, 2, image) && object_fits(axis->error_code, 2, image);
}

static int ladder_fits(const fs_axis_config *axis) {
    if (axis->rungs > sizeof axis->ladder) return 0;
    for (uint32_t i = 0; i < axis->rungs; i++)
        if (axis->ladder[i] > FS_RUNG_END_RT) return 0;
    return 1;
}

static int axes_fit(const fs_cycle_config *config) {
    for (uint32_t i = 0; i < config->axis_count; i++) {
        const fs_axis_config *axis = &config->axes[i];
        if (!outputs_fit(axis, config->outputs_size) || !inputs_fit(axis, config->inputs_size) || !ladder_fits(axis))
            return 0;
    }
    return 1;
}

static int spans_fit(const fs_span *spans, uint32_t count, uint32_t image) {
    for (uint32_t i = 0; i < count; i++)
        if (!in_image(spans[i].offset, spans[i].size, image)) return 0;
    return 1;
}

static int io_fits(const fs_cycle_config *config) {
    return spans_fit(config->io_outputs, config->io_output_spans, config->outputs_size) &&
           spans_fit(config->io_inputs, config->io_input_spans, config->inputs_size) &&
           object_fits(config->start_input, 1, config->inputs_size) && config->start_bit < 8;
}

/* An axis in no group would be judged by none. */
static int groups_cover(const fs_cycle_config *config) {
    uint64_t covered = 0;
    for (uint32_t i = 0; i < config->group_count; i++) covered |= config->groups[i].axes;
    for (uint32_t i = 0; i < config->axis_count; i++)
        if (!(covered >> i & 1)) return 0;
    return 1;
}

static int counts_fit(const fs_cycle_config *config) {
    return config->axis_count <= FS_MAX_AXES && config->group_count <= FS_MAX_AXES &&
           config->io_output_spans <= FS_MAX_SPANS && config->io_input_spans <= FS_MAX_SPANS &&
           config->outputs_size <= sizeof config->safe_image && config->cycle_time_ns != 0;
}

int fs_cycle_config_fits(const fs_cycle_config *config) {
    return counts_fit(config) && groups_cover(config) && axes_fit(config) && io_fits(config);
}

/* What tests and people read of the bench's truth. Copies are taken in pieces, so that the frame thread never waits long. */
#include <errno.h>
#include "chain.h"

enum { PIECE = 64 }; /* records copied under one lock */

static void fill_device(const esc_device *device, fs_truth *truth) {
    truth->device_kind = (uint32_t)device->kind;
    if (device->kind == FS_DEVICE_DRIVE) {
        truth->statusword = device->drive.statusword;
        truth->controlword = device->drive.controlword;
        truth->error_code = device->drive.error_code;
        truth->drive_state = device->drive.state;
        truth->position = device->drive.position;
        truth->velocity = device->drive.velocity;
    }
    if (device->kind != FS_DEVICE_DIO) return;
    for (unsigned i = 0; i < 8; i++) {
        truth->digital_outputs = (uint8_t)(truth->digital_outputs | (device->dio.driven[i] ? 1u << i : 0));
        truth->digital_inputs = (uint8_t)(truth->digital_inputs | (device->dio.inputs[i] ? 1u << i : 0));
    }
}

static void fill(const fs_segment *segment, unsigned index, fs_truth *truth) {
    esc *slave = &segment->slaves[index];
    const esc_truth *kept = &slave->truth;
    truth->powered = slave->powered;
    truth->reached = index < segment->reach;
    truth->outputs_valid = slave->device.took_outputs;
    truth->safe = kept->safe;
    truth->station_address = get16(slave->memory + REG_STATION_ADDRESS);
    truth->al_status = get16(slave->memory + REG_AL_STATUS);
    truth->al_status_code = get16(slave->memory + REG_AL_STATUS_CODE);
    truth->watchdog_expiries = slave->watchdog_expiries;
    truth->safe_since_ns = kept->safe_since_ns;
    truth->unsafe_since_ns = kept->unsafe_since_ns;
    truth->system_time_ns = clock_truth(slave, truth->t_ns);
    truth->last_outputs_ns = kept->last_outputs_ns;
    truth->output_writes = kept->output_writes;
    truth->events = kept->event_count;
    truth->samples = kept->sample_count;
    truth->output_bytes = (uint16_t)esc_image_bytes(&slave->maps[FS_RX_PDO]);
    truth->input_bytes = (uint16_t)esc_image_bytes(&slave->maps[FS_TX_PDO]);
    memcpy(truth->outputs, slave->outputs, sizeof slave->outputs);
    fill_device(&slave->device, truth);
}

int fs_segment_truth(fs_segment *segment, unsigned slave, fs_truth *truth) {
    if (slave >= segment->count) return -ERANGE;
    memset(truth, 0, sizeof *truth);
    chain_lock(segment);
    truth->t_ns = chain_now(segment);
    fill(segment, slave, truth);
    chain_unlock(segment);
    return 0;
}

/* First sequence number to copy: after `since`, and still in a ring of `room` that ends at `newest`. */
static uint64_t first_kept(uint64_t since, uint64_t newest, uint64_t room) {
    const uint64_t oldest = newest > room ? newest - room + 1 : 1;
    return since >= oldest ? (since < newest ? since : newest) + 1 : oldest;
}

int fs_segment_events(fs_segment *segment, unsigned slave, uint64_t since, fs_event *events, unsigned count) {
    if (slave >= segment->count) return -ERANGE;
    const esc_truth *truth = &segment->slaves[slave].truth;
    unsigned copied = 0, before;
    do {
        before = copied;
        chain_lock(segment);
        uint64_t next = first_kept(since, truth->event_count, ESC_EVENTS);
        for (unsigned i = 0; i < PIECE && copied < count && next <= truth->event_count; i++, next++, copied++)
            events[copied] = truth->events[(next - 1) % ESC_EVENTS];
        chain_unlock(segment);
        if (copied > before) since = events[copied - 1].sequence;
    } while (copied > before && copied < count);
    return (int)copied;
}

int fs_segment_trace(fs_segment *segment, unsigned slave, uint64_t since, fs_motion_sample *samples, unsigned count) {
    if (slave >= segment->count) return -ERANGE;
    const esc_truth *truth = &segment->slaves[slave].truth;
    unsigned copied = 0, before;
    do {
        before = copied;
        chain_lock(segment);
        uint64_t next = first_kept(since, truth->sample_count, ESC_SAMPLES);
        for (unsigned i = 0; i < PIECE && copied < count && next <= truth->sample_count; i++, next++, copied++)
            samples[copied] = truth->samples[(next - 1) % ESC_SAMPLES];
        chain_unlock(segment);
        if (copied > before) since = samples[copied - 1].sequence;
    } while (copied > before && copied < count);
    return (int)copied;
}

int fs_segment_statistics(fs_segment *segment, fs_statistics *statistics) {
    chain_lock(segment);
    *statistics = segment->statistics;
    statistics->delay_pending = segment->faults.waiting;
    chain_unlock(segment);
    return 0;
}

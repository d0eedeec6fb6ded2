/* The bench's truth: what a slave's outputs and motor really did, with time stamps, in rings. */
#include "esc.h"

static const int64_t sample_period_ns = 1000000;

void truth_event(esc *slave, uint32_t kind, uint32_t a, uint32_t b, int64_t now_ns) {
    esc_truth *truth = &slave->truth;
    fs_event *event = &truth->events[truth->event_count % ESC_EVENTS];
    event->sequence = ++truth->event_count;
    event->t_ns = now_ns;
    event->kind = kind;
    event->a = a;
    event->b = b;
}

static int image_is_safe(const esc *slave) {
    const esc_truth *truth = &slave->truth;
    if (truth->safe_image_bytes) return !memcmp(slave->outputs, truth->safe_image, truth->safe_image_bytes);
    if (slave->device.kind == FS_DEVICE_DRIVE) return (slave->device.drive.controlword & 0x000F) != 0x000F;
    for (unsigned i = 0; i < esc_image_bytes(&slave->maps[FS_RX_PDO]); i++)
        if (slave->outputs[i]) return 0;
    return 1;
}

/* After any change of the AL state or of the output image. */
void truth_outputs(esc *slave, int64_t now_ns) {
    esc_truth *truth = &slave->truth;
    esc_device *device = &slave->device;
    if (device->kind == FS_DEVICE_DRIVE && device->took_outputs &&
        device->drive.controlword != device->seen_controlword) {
        truth_event(slave, FS_EVENT_CONTROLWORD, device->drive.controlword, device->seen_controlword, now_ns);
        device->seen_controlword = device->drive.controlword;
    }
    const int safe = !slave->powered || esc_al_state(slave) != AL_OP || !device->took_outputs || image_is_safe(slave);
    if (safe == truth->safe) return;
    truth->safe = (uint8_t)safe;
    if (safe) truth->safe_since_ns = now_ns;
    else truth->unsafe_since_ns = now_ns;
    truth_event(slave, safe ? FS_EVENT_OUTPUTS_SAFE : FS_EVENT_OUTPUTS_UNSAFE, 0, 0, now_ns);
}

static void sample(esc *slave, int64_t now_ns) {
    esc_truth *truth = &slave->truth;
    if (now_ns < truth->next_sample_ns) return;
    truth->next_sample_ns += sample_period_ns;
    if (truth->next_sample_ns <= now_ns) truth->next_sample_ns = now_ns + sample_period_ns;
    fs_motion_sample *entry = &truth->samples[truth->sample_count % ESC_SAMPLES];
    entry->sequence = ++truth->sample_count;
    entry->t_ns = now_ns;
    entry->position = slave->device.drive.position;
    entry->velocity = slave->device.drive.velocity;
    entry->statusword = slave->device.drive.statusword;
}

static uint8_t driven_outputs(const fs_dio *dio) {
    uint8_t bits = 0;
    for (unsigned i = 0; i < 8; i++) bits = (uint8_t)(bits | (dio->driven[i] ? 1u << i : 0));
    return bits;
}

/* After each step of the device. */
void truth_device(esc *slave, int64_t now_ns) {
    esc_device *device = &slave->device;
    if (device->kind == FS_DEVICE_DRIVE) {
        const uint16_t statusword = device->drive.statusword;
        if ((statusword ^ device->seen_statusword) & 0x006F)
            truth_event(slave, FS_EVENT_DRIVE_STATE, statusword, device->seen_statusword, now_ns);
        device->seen_statusword = statusword;
        sample(slave, now_ns);
    } else if (device->kind == FS_DEVICE_DIO) {
        const uint8_t outputs = driven_outputs(&device->dio);
        if (outputs != device->seen_outputs)
            truth_event(slave, FS_EVENT_DIGITAL_OUTPUTS, outputs, device->seen_outputs, now_ns);
        device->seen_outputs = outputs;
    }
}

/* Faults of the line: frames that are lost, late or damaged; cables and power. */
#include <errno.h>
#include "chain.h"

enum { ETHERNET_HEADER = 14, ETHERCAT_HEADER = 2 };

int faults_drop(fs_segment *segment) {
    if (!segment->faults.drop) return 0;
    segment->faults.drop--;
    segment->statistics.dropped++;
    return 1;
}

/* Damaged before the first slave: its receiver counts an error, no slave uses the frame, and it comes back inverted behind
 * the EtherCAT header (a veth has no frame check sequence that would take it away). */
int faults_corrupt(fs_segment *segment, uint8_t *frame, int bytes) {
    if (!segment->faults.corrupt) return 0;
    segment->faults.corrupt--;
    segment->statistics.corrupted++;
    uint8_t *errors = segment->slaves[0].memory + REG_RX_ERROR;
    if (*errors < 0xFF) ++*errors;
    for (int i = ETHERNET_HEADER + ETHERCAT_HEADER; i < bytes; i++) frame[i] = (uint8_t)~frame[i];
    return 1;
}

/* Keeps the answer for later; nonzero if it does not leave now. */
int faults_delay(fs_segment *segment, const uint8_t *frame, int bytes, int64_t now_ns) {
    chain_faults *faults = &segment->faults;
    if (!faults->delay || bytes > (int)CHAIN_FRAME_BYTES) return 0;
    faults->delay--;
    for (unsigned i = 0; i < CHAIN_DELAYED; i++) {
        delayed_frame *slot = &faults->delayed[i];
        if (slot->due_ns) continue;
        slot->due_ns = later(now_ns, faults->delay_ns);
        slot->bytes = bytes;
        memcpy(slot->data, frame, (size_t)bytes);
        faults->waiting++;
        segment->statistics.delayed++;
        return 1;
    }
    segment->statistics.delay_overflow++;
    return 1;
}

static const delayed_frame *earliest(const chain_faults *faults) {
    const delayed_frame *found = NULL;
    for (unsigned i = 0; i < CHAIN_DELAYED && faults->waiting; i++) {
        const delayed_frame *slot = &faults->delayed[i];
        if (slot->due_ns && (!found || slot->due_ns < found->due_ns)) found = slot;
    }
    return found;
}

/* When the next delayed answer is due; 0: none waits. */
int64_t faults_next_due(const fs_segment *segment) {
    const delayed_frame *slot = earliest(&segment->faults);
    return slot ? slot->due_ns : 0;
}

int faults_take_due(fs_segment *segment, uint8_t *frame, int64_t now_ns) {
    const delayed_frame *slot = earliest(&segment->faults);
    if (!slot || slot->due_ns > now_ns) return 0;
    const int bytes = slot->bytes;
    memcpy(frame, slot->data, (size_t)bytes);
    segment->faults.delayed[slot - segment->faults.delayed].due_ns = 0;
    segment->faults.waiting--;
    segment->statistics.answered++;
    return bytes;
}

int fs_segment_cut_cable(fs_segment *segment, unsigned after) {
    if (after >= segment->count) return -ERANGE;
    chain_lock(segment);
    segment->faults.cut_after = after;
    topology_reload(segment);
    chain_unlock(segment);
    return 0;
}

int fs_segment_heal_cable(fs_segment *segment) {
    chain_lock(segment);
    segment->faults.cut_after = FS_SEGMENT_SLAVES;
    topology_reload(segment);
    chain_unlock(segment);
    return 0;
}

int fs_segment_drop_frames(fs_segment *segment, unsigned count) {
    chain_lock(segment);
    segment->faults.drop = count;
    chain_unlock(segment);
    return 0;
}

int fs_segment_delay_frames(fs_segment *segment, unsigned count, int64_t by_ns) {
    if (by_ns <= 0) return -EINVAL;
    chain_lock(segment);
    segment->faults.delay = count;
    segment->faults.delay_ns = by_ns;
    chain_unlock(segment);
    return 0;
}

int fs_segment_corrupt_frames(fs_segment *segment, unsigned count) {
    chain_lock(segment);
    segment->faults.corrupt = count;
    chain_unlock(segment);
    return 0;
}

static void switch_power(esc *target, int on, int64_t now_ns) {
    if (target->powered == (on != 0)) return;
    target->powered = on != 0;
    truth_event(target, FS_EVENT_POWER, target->powered, 0, now_ns);
    device_power(target, target->powered, now_ns);
    esc_power_on(target, now_ns);
    device_step(target, now_ns);
}

static int power(fs_segment *segment, unsigned first, unsigned end, int on) {
    chain_lock(segment);
    const int64_t now_ns = chain_now(segment);
    for (unsigned i = first; i < end; i++) switch_power(&segment->slaves[i], on, now_ns);
    topology_reload(segment);
    chain_unlock(segment);
    return 0;
}

int fs_segment_power(fs_segment *segment, unsigned slave, int on) {
    return slave < segment->count ? power(segment, slave, slave + 1, on) : -ERANGE;
}

int fs_segment_power_all(fs_segment *segment, int on) { return power(segment, 0, segment->count, on); }

int fs_segment_drive_fault(fs_segment *segment, unsigned slave, uint16_t error_code) {
    if (slave >= segment->count) return -ERANGE;
    esc *target = &segment->slaves[slave];
    if (target->device.kind != FS_DEVICE_DRIVE) return -ENODEV;
    chain_lock(segment);
    const int64_t now_ns = chain_now(segment);
    fs_drive_fault(&target->device.drive, error_code);
    device_step(target, now_ns);
    chain_unlock(segment);
    return 0;
}

int fs_segment_drive_defects(fs_segment *segment, unsigned slave, uint8_t defects, uint16_t ramp_share) {
    if (slave >= segment->count) return -ERANGE;
    esc *target = &segment->slaves[slave];
    if (target->device.kind != FS_DEVICE_DRIVE) return -ENODEV;
    chain_lock(segment);
    target->device.drive.defects = defects;
    target->device.drive.ramp_share = ramp_share;
    device_step(target, chain_now(segment));
    chain_unlock(segment);
    return 0;
}

int fs_segment_set_inputs(fs_segment *segment, unsigned slave, unsigned bits) {
    if (slave >= segment->count) return -ERANGE;
    esc *target = &segment->slaves[slave];
    if (target->device.kind != FS_DEVICE_DIO) return -ENODEV;
    chain_lock(segment);
    for (unsigned i = 0; i < 8; i++) target->device.dio.wired[i] = (uint8_t)(bits >> i & 1);
    device_step(target, chain_now(segment));
    chain_unlock(segment);
    return 0;
}

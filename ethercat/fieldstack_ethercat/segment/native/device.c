/* The devices behind the ESCs, stepped in real time. */
#include "esc.h"

static const int64_t longest_step_ns = 50000000; /* what one call of a device simulates at most */
static const int longest_catch_up = 4; /* such calls in one step; the rest of a longer stall is not simulated */

void device_power(esc *slave, int on, int64_t now_ns) {
    esc_device *device = &slave->device;
    device->took_outputs = 0;
    if (device->kind == FS_DEVICE_DRIVE) fs_drive_power(&device->drive, on);
    if (device->kind == FS_DEVICE_DIO) fs_dio_power(&device->dio, on);
    if (!device->stepped_ns) device->stepped_ns = now_ns;
}

static void advance(esc_device *device, double dt_s) {
    if (device->kind == FS_DEVICE_DRIVE) fs_drive_step(&device->drive, dt_s, device->took_outputs);
    if (device->kind == FS_DEVICE_DIO) fs_dio_step(&device->dio, dt_s, device->took_outputs);
}

void device_step(esc *slave, int64_t now_ns) {
    esc_device *device = &slave->device;
    int64_t left_ns = now_ns - device->stepped_ns;
    if (!device->stepped_ns) left_ns = 0;
    if (left_ns < 0) return;
    device->stepped_ns = now_ns;
    for (int call = 0; call < longest_catch_up && (left_ns > 0 || call == 0); call++) {
        const int64_t part_ns = left_ns < longest_step_ns ? left_ns : longest_step_ns;
        advance(device, (double)part_ns * 1e-9);
        left_ns -= part_ns;
    }
    truth_device(slave, now_ns);
}

/* New setpoints are in the device's objects. */
void device_outputs_taken(esc *slave) {
    if (slave->device.kind == FS_DEVICE_DRIVE) slave->device.drive.setpoint_count++;
}

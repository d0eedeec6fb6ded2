/* The virtual segment: frames, time, the mailbox's application, faults and those who look, each from a thread of its own. */
#define _GNU_SOURCE
#include "race.h"

#include "segment.h"

enum { SLAVES = 3, FRAME = 60 };

static fs_segment *segment;

static void write_register(runner *self, uint8_t command, uint16_t position, uint16_t offset, const uint8_t *data,
                           uint8_t size) {
    uint8_t frame[FRAME] = {[12] = 0x88, [13] = 0xA4, [14] = (uint8_t)(12 + size), [15] = 0x10};
    uint8_t *at = frame + 16;
    at[0] = command;
    at[2] = (uint8_t)position;
    at[3] = (uint8_t)(position >> 8);
    at[4] = (uint8_t)offset;
    at[5] = (uint8_t)(offset >> 8);
    at[6] = size;
    memcpy(at + 10, data, size);
    int back = fs_segment_frame(segment, frame, FRAME, fs_now_ns());
    require(back == 0 || back == FRAME, "a frame comes back whole, or not at all");
    self->done++;
}

static void send_frames(runner *self) {
    static const uint16_t offsets[] = {0x0010, 0x0120, 0x0130, 0x0502, 0x0600, 0x0800, 0x0808, 0x0910, 0x0F80, 0x1000};
    uint8_t data[16];
    while (!over()) {
        for (uint32_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)any(self);
        uint16_t position = (uint16_t)(0 - any(self) % SLAVES);
        write_register(self, (uint8_t)(any(self) % 15), position, offsets[any(self) % 10], data, 16);
    }
}

static void pass_time(runner *self) {
    for (; !over(); self->done++) {
        fs_segment_advance(segment, fs_now_ns());
        usleep(200);
    }
}

static void serve_mailboxes(runner *self) {
    uint8_t telegram[512] = {0};
    unsigned bytes;
    for (; !over(); self->done++) {
        fs_segment_mailbox_take(segment, telegram, sizeof telegram, &bytes);
        uint32_t slave = (uint32_t)(any(self) % SLAVES);
        fs_segment_mailbox_session(segment, slave);
        fs_segment_al_state(segment, slave);
        fs_segment_mailbox_reply(segment, slave, telegram, 16);
        stumble(self);
    }
}

static void disturb(runner *self) {
    for (; !over(); self->done++) {
        uint32_t slave = (uint32_t)(any(self) % SLAVES);
        switch (any(self) % 8) {
        case 0: fs_segment_cut_cable(segment, slave); break;
        case 1: fs_segment_heal_cable(segment); break;
        case 2: fs_segment_drop_frames(segment, 1); break;
        case 3: fs_segment_delay_frames(segment, 1, 1000); break;
        case 4: fs_segment_drive_fault(segment, slave, 1); break;
        case 5: fs_segment_power(segment, slave, one_in(self, 2)); break;
        case 6: fs_segment_clock_drift(segment, slave, 10.0); break;
        default: fs_segment_slow_state(segment, slave, 4, 1000);
        }
        usleep(100);
    }
}

static void look(runner *self) {
    fs_truth truth;
    fs_event events[8];
    fs_motion_sample samples[8];
    fs_statistics statistics;
    for (; !over(); self->done++) {
        uint32_t slave = (uint32_t)(any(self) % SLAVES);
        require(fs_segment_truth(segment, slave, &truth) == 0, "the truth is told");
        require(fs_segment_events(segment, slave, truth.events - truth.events / 2, events, 8) >= 0, "events are told");
        fs_segment_trace(segment, slave, 0, samples, 8);
        fs_segment_statistics(segment, &statistics);
    }
}

int main(int count, char **arguments) {
    runner runners[] = {
        {.run = send_frames}, {.run = pass_time}, {.run = serve_mailboxes}, {.run = disturb}, {.run = look}};
    segment = fs_segment_create(SLAVES);
    require(segment != NULL, "the segment is made");
    for (uint32_t i = 0; i < SLAVES; i++) {
        fs_segment_set_device(segment, i, i ? FS_DEVICE_DRIVE : FS_DEVICE_DIO);
        fs_segment_set_clock(segment, i, 1);
        fs_segment_power(segment, i, 1);
    }
    int result = race(count, arguments, runners, sizeof runners / sizeof *runners);
    fs_segment_destroy(segment);
    return result;
}

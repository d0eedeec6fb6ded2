/* Fuzzes the guard's frames: whatever comes back, outputs are only confirmed as safe by the word of every slave. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "safe_frames.c"

#include <sys/socket.h>

enum { ANSWERS = 30 };

static fs_guard_plan any_plan(void) {
    fs_guard_plan plan = {.epoch = 1 + below(3), .logical_start = (uint32_t)edge64()};
    plan.outputs_size = one_in(3) ? below(FS_IMAGE_BYTES + 1) : below(64);
    plan.slave_count = one_in(3) ? below(FS_MAX_SLAVES + 1) : below(6);
    for (uint32_t i = 0; i < plan.slave_count; i++) plan.stations[i] = (uint16_t)(0x1001 + i);
    fill_any(plan.safe_image, plan.outputs_size);
    return plan;
}

static void open_frames(fs_safe_frames *frames, const fs_guard_plan *plan, int *wire) {
    int pair[2];
    require(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "there is a wire");
    memset(frames, 0, sizeof *frames);
    frames->socket = pair[0];
    *wire = pair[1];
    frames->slave_count = plan->slave_count;
    frames->epoch = plan->epoch;
    build_image(frames, plan);
    frames->image_count = frames->count;
    build_status(frames, plan);
    require(frames->count <= FS_SAFE_FRAMES, "as many frames as there is room for");
    for (uint32_t i = 0; i < frames->count; i++) require(frames->length[i] <= sizeof frames->frame[i], "a frame fits");
}

/* As slaves would answer, with a working counter and a state here and there. */
static void answer(const fs_safe_frames *frames, int wire) {
    uint32_t number = below(frames->count), size = frames->length[number];
    uint8_t *bytes = malloc(1600);
    memcpy(bytes, frames->frame[number], size);
    if (number >= frames->image_count)
        for (uint32_t at = FIRST_DATAGRAM; at + 14 <= size; at += 14) {
            put16(bytes + at + 10, one_in(20) ? (uint32_t)any64() : AL_SAFE_OP);
            put16(bytes + at + 12, !one_in(20));
        }
    if (one_in(2)) damage(bytes, size);
    if (one_in(6)) size = below(1600);
    if (one_in(6)) fill_any(bytes, 1600);
    if (size && send(wire, bytes, size, MSG_DONTWAIT) < 0) require(errno == EAGAIN, "an answer can be sent");
    free(bytes);
}

static int known_safe(const fs_safe_frames *frames, const fs_safe_answer *answer, const fs_store *store) {
    for (uint32_t slave = 0; slave < frames->slave_count; slave++) {
        uint32_t state = answer->state[slave] & AL_STATE;
        int excused = store->guard_losses[0].absent[slave / 64] >> slave % 64 & 1 ||
                      store->guard_losses[1].absent[slave / 64] >> slave % 64 & 1;
        if (!(state ? state <= AL_SAFE_OP : excused)) return 0;
    }
    return 1;
}

static void tell_losses(fs_store *store) {
    fs_guard_losses *losses = &store->guard_losses[below(2)];
    *losses = (fs_guard_losses){.epoch = 1 + below(3), .sequence = any64()};
    for (int i = 0; i < FS_SLAVE_WORDS; i++) losses->absent[i] = any64() & any64();
    losses->checksum = fs_checksum(losses, sizeof *losses);
    if (one_in(2)) damage((uint8_t *)losses, sizeof *losses);
}

static void round_of(void) {
    static fs_store store;
    fs_safe_frames *frames = malloc(sizeof *frames);
    fs_guard_plan plan = any_plan();
    int wire;
    memset(store.guard_losses, 0, sizeof store.guard_losses);
    open_frames(frames, &plan, &wire);
    for (int i = 0; i < ANSWERS; i++) {
        fs_safe_answer *result = malloc(sizeof *result);
        if (one_in(4)) tell_losses(&store);
        for (uint32_t left = below(10); left; left--) answer(frames, wire);
        fs_safe_frames_collect(frames, 0, result);
        require(!fs_safe_answer_confirms(frames, result, &store) || known_safe(frames, result, &store),
                "confirmed by the word of every slave");
        fs_safe_frames_forget(frames);
        free(result);
    }
    fs_safe_frames_close(frames);
    close(wire);
    free(frames);
}

int main(int count, char **arguments) { return fuzz(count, arguments, round_of); }

/* Rings: what is pushed comes out once, in order and whole; what found the ring full was refused and counted. */
#define _GNU_SOURCE
#include "race_store.h"

static void push_events(runner *self) {
    fs_event_ring *ring = &store->cycle_events;
    uint64_t refused = 0;
    for (int64_t number = 1; !over();) {
        int done = fs_event_push(ring, (uint64_t)number, 1, (uint32_t)number, number, -number, number * 3);
        refused += !done;
        number += done;
        self->done += (uint64_t)done;
        if (!done) sched_yield();
    }
    require(fs_load64(&ring->refused) == refused, "refusals are counted");
}

static void pop_events(runner *self) {
    fs_event event;
    for (int64_t number = 1; !over();) {
        if (!fs_event_pop(&store->cycle_events, &event)) {
            sched_yield();
            continue;
        }
        require(event.a == number && event.b == -number && event.c == number * 3, "an event is whole, and the next");
        require(event.sequence == (uint64_t)number, "its sequence is its place");
        number++;
        self->done++;
        stumble(self);
    }
}

static void push_setpoints(runner *self) {
    fs_setpoint many[8] = {0};
    for (uint64_t stream = 1; !over();) {
        uint32_t count = 1 + (uint32_t)(any(self) % 8);
        for (uint32_t i = 0; i < count; i++) {
            many[i].stream = stream + i;
            for (uint32_t axis = 0; axis < FS_MAX_AXES; axis++) many[i].position[axis] = (int32_t)(stream + i);
        }
        uint32_t pushed = fs_setpoint_push_many(&store->setpoints, many, count);
        require(pushed <= count, "no more than there are");
        stream += pushed;
        self->done += pushed;
        if (!pushed) sched_yield();
    }
}

static void is_whole(const fs_setpoint *setpoint, uint64_t stream) {
    require(setpoint->stream == stream, "setpoints come in order");
    for (uint32_t axis = 0; axis < FS_MAX_AXES; axis++)
        require(setpoint->position[axis] == (int32_t)stream, "all axes are of one setpoint");
}

static void play_setpoints(runner *self) {
    for (uint64_t stream = 1; !over();) {
        const fs_setpoint *next = fs_setpoint_peek(&store->setpoints);
        const fs_setpoint *second = next ? fs_setpoint_second(&store->setpoints) : NULL;
        if (second) is_whole(second, stream + 1);
        if (!next) {
            sched_yield();
            continue;
        }
        is_whole(next, stream++);
        fs_setpoint_drop(&store->setpoints);
        self->done++;
        stumble(self);
    }
}

int main(int count, char **arguments) {
    runner runners[] = {{.run = push_events}, {.run = pop_events}, {.run = push_setpoints}, {.run = play_setpoints}};
    return race_on_a_store(count, arguments, runners, sizeof runners / sizeof *runners);
}

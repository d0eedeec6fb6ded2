/* Life and configuration of a segment, and its mailbox towards the application. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "chain.h"

int64_t fs_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int make_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes)) return 0;
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    const int done = !pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return done;
}

fs_segment *fs_segment_create(unsigned slaves) {
    if (slaves < 1 || slaves > FS_SEGMENT_SLAVES) return NULL;
    fs_segment *segment = calloc(1, sizeof *segment);
    if (!segment) return NULL;
    segment->slaves = calloc(slaves, sizeof *segment->slaves);
    segment->count = slaves;
    segment->faults.cut_after = FS_SEGMENT_SLAVES;
    segment->socket = -1;
    segment->mailbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    segment->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    segment->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!segment->slaves || segment->mailbox_fd < 0 || segment->stop_fd < 0 || segment->failed_fd < 0 ||
        !make_lock(&segment->lock)) {
        fs_segment_destroy(segment);
        return NULL;
    }
    for (unsigned i = 0; i < slaves; i++) {
        segment->slaves[i].segment = segment;
        segment->slaves[i].watchdog_default = 1000; /* 100 ms */
        segment->slaves[i].truth.safe = 1;
        clock_place(&segment->slaves[i], i, 0);
    }
    return segment;
}

void fs_segment_destroy(fs_segment *segment) {
    if (!segment) return;
    const int fds[] = {segment->mailbox_fd, segment->stop_fd, segment->failed_fd};
    for (unsigned i = 0; i < 3; i++)
        if (fds[i] >= 0) close(fds[i]);
    free(segment->slaves);
    free(segment);
}

unsigned fs_segment_slaves(const fs_segment *segment) { return segment->count; }
int fs_segment_mailbox_fd(const fs_segment *segment) { return segment->mailbox_fd; }
int fs_segment_failed_fd(const fs_segment *segment) { return segment->failed_fd; }

int fs_segment_set_device(fs_segment *segment, unsigned slave, int kind) {
    if (slave >= segment->count) return -ERANGE;
    if (kind < FS_DEVICE_NONE || kind > FS_DEVICE_DIO) return -EINVAL;
    esc_device *device = &segment->slaves[slave].device;
    chain_lock(segment);
    memset(device, 0, sizeof *device);
    device->kind = kind;
    if (kind == FS_DEVICE_DRIVE) fs_drive_init(&device->drive);
    if (kind == FS_DEVICE_DIO) fs_dio_init(&device->dio);
    chain_unlock(segment);
    return 0;
}

void *fs_segment_device(fs_segment *segment, unsigned slave) {
    if (slave >= segment->count) return NULL;
    esc_device *device = &segment->slaves[slave].device;
    if (device->kind == FS_DEVICE_DRIVE) return &device->drive;
    return device->kind == FS_DEVICE_DIO ? (void *)&device->dio : NULL;
}

int fs_segment_set_eeprom(fs_segment *segment, unsigned slave, const uint8_t *image, uint32_t bytes) {
    if (slave >= segment->count) return -ERANGE;
    if (bytes > FS_SEGMENT_EEPROM_BYTES) return -E2BIG;
    chain_lock(segment);
    memcpy(segment->slaves[slave].eeprom, image, bytes);
    segment->slaves[slave].eeprom_bytes = bytes;
    chain_unlock(segment);
    return 0;
}

static int make_map(esc_map *map, const fs_map_entry *entries, unsigned count) {
    uint32_t bits = 0;
    if (count > ESC_MAP_ENTRIES) return -E2BIG;
    for (unsigned i = 0; i < count; i++) {
        if (!entries[i].bits || (entries[i].object && entries[i].bits > 64)) return -EINVAL;
        map->entries[i] = entries[i];
        bits += entries[i].bits;
    }
    if (bits > 8 * ESC_IMAGE_BYTES) return -E2BIG;
    map->count = (uint16_t)count;
    map->bits = (uint16_t)bits;
    return 0;
}

int fs_segment_set_mapping(fs_segment *segment, unsigned slave, int direction, const fs_map_entry *entries,
                           unsigned count) {
    if (slave >= segment->count) return -ERANGE;
    if (direction != FS_RX_PDO && direction != FS_TX_PDO) return -EINVAL;
    esc_map map = {.count = 0};
    const int result = make_map(&map, entries, count);
    if (result) return result;
    esc *target = &segment->slaves[slave];
    chain_lock(segment);
    const int busy = target->powered && esc_al_state(target) >= AL_SAFEOP;
    if (!busy) target->maps[direction] = map;
    chain_unlock(segment);
    return busy ? -EBUSY : 0;
}

int fs_segment_set_watchdog_default(fs_segment *segment, unsigned slave, unsigned hundred_us) {
    if (slave >= segment->count) return -ERANGE;
    if (hundred_us > 0xFFFF) return -EINVAL;
    chain_lock(segment);
    segment->slaves[slave].watchdog_default = (uint16_t)hundred_us;
    chain_unlock(segment);
    return 0;
}

int fs_segment_set_safe_image(fs_segment *segment, unsigned slave, const uint8_t *image, unsigned bytes) {
    if (slave >= segment->count) return -ERANGE;
    esc *target = &segment->slaves[slave];
    int result = 0;
    chain_lock(segment);
    if (bytes && bytes != esc_image_bytes(&target->maps[FS_RX_PDO])) {
        result = -EMSGSIZE;
    } else {
        if (bytes) memcpy(target->truth.safe_image, image, bytes);
        target->truth.safe_image_bytes = (uint16_t)bytes;
        truth_outputs(target, chain_now(segment));
    }
    chain_unlock(segment);
    return result;
}

void segment_notify_mailbox(fs_segment *segment) {
    const uint64_t one = 1;
    /* Full means that the application has not read the last one yet: it looks at all slaves anyway. */
    if (write(segment->mailbox_fd, &one, sizeof one) < 0) return;
}

/* Bytes of the telegram in SM0: what its header says, within the mailbox. */
static unsigned telegram_bytes(const esc *slave) {
    const unsigned stated = 6u + get16(slave->memory + slave->sms[0].start);
    return stated < slave->sms[0].length ? stated : slave->sms[0].length;
}

static int take(esc *slave, uint8_t *telegram, unsigned size, unsigned *bytes) {
    const uint8_t *source = slave->memory + slave->sms[0].start;
    const unsigned length = telegram_bytes(slave);
    if (length > size) return 0;
    memcpy(telegram, source, length);
    *bytes = length;
    slave->mailbox.last_counter = source[5] >> 4 & 7;
    slave->mailbox.waiting = 0;
    sm_set_full(slave, 0, 0);
    return 1;
}

int fs_segment_mailbox_take(fs_segment *segment, uint8_t *telegram, unsigned size, unsigned *bytes) {
    int found = -1;
    uint64_t count;
    if (read(segment->mailbox_fd, &count, sizeof count) < 0) count = 0;
    chain_lock(segment);
    for (unsigned i = 0; i < segment->count && found < 0; i++) {
        if (!segment->slaves[i].mailbox.waiting) continue;
        found = take(&segment->slaves[i], telegram, size, bytes) ? (int)i : -2;
        break;
    }
    chain_unlock(segment);
    return found;
}

uint32_t fs_segment_mailbox_session(fs_segment *segment, unsigned slave) {
    if (slave >= segment->count) return 0;
    chain_lock(segment);
    const uint32_t session = segment->slaves[slave].mailbox.session;
    chain_unlock(segment);
    return session;
}

unsigned fs_segment_al_state(fs_segment *segment, unsigned slave) {
    if (slave >= segment->count) return 0;
    chain_lock(segment);
    const unsigned state = esc_al_state(&segment->slaves[slave]);
    chain_unlock(segment);
    return state;
}

static int reply(esc *slave, const uint8_t *telegram, unsigned bytes) {
    esc_mailbox *box = &slave->mailbox;
    if (!slave->powered || slave->sms[1].released || !slave->sms[1].enabled) return -ENOTCONN;
    if (bytes > slave->sms[1].length || bytes > ESC_MAILBOX_BYTES) return -EMSGSIZE;
    if (!slave->sms[1].full && !box->count) return mailbox_put(slave, telegram, bytes) ? 0 : -EMSGSIZE;
    if (box->count == ESC_MAILBOX_QUEUE) return -ENOBUFS;
    esc_telegram *place = &box->queue[(box->head + box->count) % ESC_MAILBOX_QUEUE];
    memcpy(place->data, telegram, bytes);
    place->bytes = (uint16_t)bytes;
    box->count++;
    return 0;
}

int fs_segment_mailbox_reply(fs_segment *segment, unsigned slave, const uint8_t *telegram, unsigned bytes) {
    if (slave >= segment->count) return -ERANGE;
    if (bytes < 6) return -EINVAL;
    chain_lock(segment);
    const int result = reply(&segment->slaves[slave], telegram, bytes);
    chain_unlock(segment);
    return result;
}

int fs_segment_frame(fs_segment *segment, uint8_t *frame, int bytes, int64_t now_ns) {
    chain_lock(segment);
    const int result = frame_process(segment, frame, bytes, now_ns);
    chain_unlock(segment);
    return result;
}

void fs_segment_advance(fs_segment *segment, int64_t now_ns) {
    chain_lock(segment);
    frame_advance(segment, now_ns);
    chain_unlock(segment);
}

int fs_segment_peek(fs_segment *segment, unsigned slave, unsigned address, uint8_t *data, unsigned bytes) {
    if (slave >= segment->count || address > ESC_MEMORY_BYTES || bytes > ESC_MEMORY_BYTES - address) return -ERANGE;
    chain_lock(segment);
    memcpy(data, segment->slaves[slave].memory + address, bytes);
    chain_unlock(segment);
    return (int)bytes;
}

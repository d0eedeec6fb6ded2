/*
 * Sync managers: mailbox mode with its full/empty handshake, and buffered mode with consistent images.
 *
 * In buffered mode the frame path and the device run one after the other under one lock, so the three buffers show only
 * in their effect: outputs reach the device when the last byte is written, inputs are taken when the first is read.
 */
#include "esc.h"

enum { STATUS_WRITTEN = 1 << 0, STATUS_READ = 1 << 1, STATUS_FULL = 1 << 3 };

void sm_reload(esc *slave) {
    for (unsigned index = 0; index < ESC_SMS; index++) {
        uint8_t *reg = slave->memory + REG_SM + 8 * index;
        esc_sm *sm = &slave->sms[index];
        const uint8_t enabled = reg[6] & 1;
        const uint32_t start = get16(reg), length = get16(reg + 2);
        if (enabled != sm->enabled) {
            sm_set_full(slave, index, 0);
            sm->open = 0;
        }
        sm->start = (uint16_t)start;
        sm->length = (uint16_t)length;
        sm->mailbox = (reg[4] & 3) == 2;
        sm->write = (reg[4] >> 2 & 3) == 1;
        sm->watchdog = reg[4] >> 6 & 1;
        /* An area outside the RAM cannot be guarded: such a sync manager stays without effect. */
        sm->enabled = enabled && length && start >= ESC_RAM_START && start + length <= ESC_MEMORY_BYTES;
        if (index == 0 && !sm->enabled) slave->mailbox.waiting = 0;
    }
}

/* The application switches the channel off and on (PDI control, byte 7 bit 0). */
void sm_release(esc *slave, unsigned index, int released) {
    esc_sm *sm = &slave->sms[index];
    uint8_t *control = slave->memory + REG_SM + 8 * index + 7;
    *control = (uint8_t)((*control & ~1) | (released ? 1 : 0));
    sm->released = (uint8_t)(released != 0);
    sm->open = 0;
    sm_set_full(slave, index, 0);
}

void sm_set_full(esc *slave, unsigned index, int full) {
    uint8_t *status = slave->memory + REG_SM + 8 * index + 5;
    slave->sms[index].full = (uint8_t)(full != 0);
    *status = (uint8_t)((*status & ~STATUS_FULL) | (full ? STATUS_FULL : 0));
}

esc_sm *sm_at(esc *slave, uint32_t address) {
    for (unsigned index = 0; index < ESC_SMS; index++) {
        esc_sm *sm = &slave->sms[index];
        if (sm->enabled && address >= sm->start && address < (uint32_t)sm->start + sm->length) return sm;
    }
    return NULL;
}

uint32_t sm_next_start(const esc *slave, uint32_t address) {
    uint32_t next = ESC_MEMORY_BYTES;
    for (unsigned index = 0; index < ESC_SMS; index++) {
        const esc_sm *sm = &slave->sms[index];
        if (sm->enabled && sm->start > address && sm->start < next) next = sm->start;
    }
    return next;
}

static uint8_t *status_of(esc *slave, const esc_sm *sm) {
    return slave->memory + REG_SM + 8 * (size_t)(sm - slave->sms) + 5;
}

/* An access must begin at the first byte; a complete one ends with the last. */
static int opens(esc_sm *sm, uint32_t address) {
    if (address == sm->start) sm->open = 1;
    return sm->open;
}

static int completes(esc_sm *sm, uint32_t address, uint32_t bytes) {
    if (address + bytes < (uint32_t)sm->start + sm->length) return 0;
    sm->open = 0;
    return 1;
}

int sm_read(esc *slave, esc_sm *sm, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns) {
    (void)now_ns;
    if (sm->write || sm->released || (sm->mailbox && !sm->full) || !opens(sm, address)) return 0;
    const size_t index = (size_t)(sm - slave->sms);
    if (index == 3 && address == sm->start) process_data_inputs(slave);
    memcpy(data, slave->memory + address, bytes);
    if (completes(sm, address, bytes)) {
        uint8_t *status = status_of(slave, sm);
        *status = (uint8_t)((*status & ~STATUS_WRITTEN) | STATUS_READ);
        if (sm->mailbox) sm_set_full(slave, (unsigned)index, 0);
        if (index == 1) mailbox_was_read(slave);
    }
    return 1;
}

int sm_write(esc *slave, esc_sm *sm, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns) {
    if (!sm->write || sm->released || (sm->mailbox && sm->full) || !opens(sm, address)) return 0;
    const size_t index = (size_t)(sm - slave->sms);
    memcpy(slave->memory + address, data, bytes);
    if (completes(sm, address, bytes)) {
        uint8_t *status = status_of(slave, sm);
        *status = (uint8_t)((*status & ~STATUS_READ) | STATUS_WRITTEN);
        if (sm->mailbox) sm_set_full(slave, (unsigned)index, 1);
        if (index == 0) mailbox_written(slave);
        if (sm->watchdog) watchdog_trigger(slave, now_ns);
        if (index == 2) process_data_outputs(slave, now_ns);
    }
    return 1;
}

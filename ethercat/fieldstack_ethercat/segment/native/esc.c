/* Power-on of an ESC, and the way of each access of the master to registers, sync managers or plain RAM. */
#include "esc.h"

void esc_raise(esc *slave, unsigned events) {
    uint8_t *request = slave->memory + REG_EVENT;
    put16(request, get16(request) | events);
}

void esc_power_on(esc *slave, int64_t now_ns) {
    registers_reset(slave);
    clock_power_on(slave, now_ns);
    memset(slave->outputs, 0, sizeof slave->outputs);
    memset(slave->sms, 0, sizeof slave->sms);
    slave->fmmu_count = 0;
    slave->op_pending = 0;
    slave->al_slow_until_ns = 0;
    slave->watchdog_expiries = 0;
    mailbox_reset(slave);
    slave->mailbox.repeat = 0;
    watchdog_reload(slave);
    watchdog_disarm(slave);
    sii_reload(slave);
    put16(slave->memory + REG_AL_CONTROL, AL_INIT);
    put16(slave->memory + REG_AL_STATUS, AL_INIT);
    for (unsigned index = 0; index < ESC_SMS; index++) sm_release(slave, index, 1);
    truth_event(slave, FS_EVENT_AL_STATE, AL_INIT, 0, now_ns);
    truth_outputs(slave, now_ns);
}

/* Length of the piece at `address` that one part of the memory serves, at most `bytes`. */
static uint32_t piece(const esc *slave, const esc_sm *sm, uint32_t address, uint32_t bytes) {
    uint32_t end = ESC_MEMORY_BYTES;
    if (address < ESC_RAM_START) end = ESC_RAM_START;
    else if (sm) end = (uint32_t)sm->start + sm->length;
    else end = sm_next_start(slave, address);
    return end - address < bytes ? end - address : bytes;
}

int esc_read(esc *slave, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns) {
    int done = 0;
    while (bytes && address < ESC_MEMORY_BYTES) {
        esc_sm *sm = address < ESC_RAM_START ? NULL : sm_at(slave, address);
        const uint32_t part = piece(slave, sm, address, bytes);
        if (address < ESC_RAM_START) done |= registers_read(slave, address, data, part, now_ns);
        else if (sm) done |= sm_read(slave, sm, address, data, part, now_ns);
        else {
            memcpy(data, slave->memory + address, part);
            done = 1;
        }
        address += part;
        data += part;
        bytes -= part;
    }
    return done;
}

int esc_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns) {
    int done = 0;
    while (bytes && address < ESC_MEMORY_BYTES) {
        esc_sm *sm = address < ESC_RAM_START ? NULL : sm_at(slave, address);
        const uint32_t part = piece(slave, sm, address, bytes);
        if (address < ESC_RAM_START) done |= registers_write(slave, address, data, part, now_ns);
        else if (sm) done |= sm_write(slave, sm, address, data, part, now_ns);
        else {
            memcpy(slave->memory + address, data, part);
            done = 1;
        }
        address += part;
        data += part;
        bytes -= part;
    }
    return done;
}

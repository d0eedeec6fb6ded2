/* Faults inside a slave: a slow or unwilling application, registers that lose what the master wrote. */
#include <errno.h>
#include "chain.h"

static int is_state(unsigned state) {
    return state == AL_INIT || state == AL_PREOP || state == AL_SAFEOP || state == AL_OP;
}

int fs_segment_slow_state(fs_segment *segment, unsigned slave, unsigned state, int64_t by_ns) {
    if (slave >= segment->count) return -ERANGE;
    if (!is_state(state) || by_ns < 0) return -EINVAL;
    chain_lock(segment);
    segment->slaves[slave].al_faults.slow_ns[state] = by_ns;
    chain_unlock(segment);
    return 0;
}

int fs_segment_refuse_state(fs_segment *segment, unsigned slave, unsigned state, uint16_t code, uint32_t count) {
    if (slave >= segment->count) return -ERANGE;
    if (!is_state(state) || state == AL_INIT) return -EINVAL;
    chain_lock(segment);
    segment->slaves[slave].al_faults.refusals[state] = count;
    segment->slaves[slave].al_faults.refusal_code[state] = code;
    chain_unlock(segment);
    return 0;
}

static void reload(esc *slave) {
    fmmu_reload(slave);
    sm_reload(slave);
    for (unsigned index = 0; index < ESC_SMS; index++)
        slave->sms[index].released = slave->memory[REG_SM + 8 * index + 7] & 1;
    watchdog_reload(slave);
}

int fs_segment_poke(fs_segment *segment, unsigned slave, unsigned address, const uint8_t *data, unsigned bytes) {
    if (slave >= segment->count || address > ESC_RAM_START || bytes > ESC_RAM_START - address) return -ERANGE;
    chain_lock(segment);
    memcpy(segment->slaves[slave].memory + address, data, bytes);
    reload(&segment->slaves[slave]);
    chain_unlock(segment);
    return 0;
}

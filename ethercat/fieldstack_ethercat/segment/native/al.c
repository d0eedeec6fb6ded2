/* The AL state machine (ETG.1000.6, ESM): requests of the master, errors with their codes, and what a state opens. */
#include "esc.h"

enum {
    CODE_INVALID_STATE_CHANGE = 0x0011,
    CODE_UNKNOWN_STATE = 0x0012,
    CODE_NO_BOOTSTRAP = 0x0013,
    CODE_NO_VALID_OUTPUTS = 0x0019,
    CODE_SM_WATCHDOG = 0x001B
};

/* How long SAFE-OP waits for the first outputs after OP was requested. */
static const int64_t op_timeout_ns = 1000000000;

/* Ascending order of the states that lead to OP; 0 for BOOT and what is no state. */
static unsigned rank(unsigned state) {
    switch (state) {
    case AL_INIT: return 1;
    case AL_PREOP: return 2;
    case AL_SAFEOP: return 3;
    case AL_OP: return 4;
    default: return 0;
    }
}

static void publish(esc *slave, unsigned status, unsigned code, int64_t now_ns) {
    uint8_t *m = slave->memory;
    if (get16(m + REG_AL_STATUS) == status && get16(m + REG_AL_STATUS_CODE) == code) return;
    put16(m + REG_AL_STATUS, status);
    put16(m + REG_AL_STATUS_CODE, code);
    esc_raise(slave, EVENT_AL_STATUS);
    truth_event(slave, FS_EVENT_AL_STATE, status, code, now_ns);
}

static void refuse(esc *slave, unsigned code, int64_t now_ns) {
    if (slave->op_pending) {
        slave->op_pending = 0;
        sm_release(slave, 2, 1);
    }
    publish(slave, esc_al_state(slave) | AL_ERROR, code, now_ns);
}

/* Opens and shuts the channels as the new state has it. */
static void enter(esc *slave, unsigned state, unsigned error, unsigned code, int64_t now_ns) {
    const unsigned from = esc_al_state(slave);
    slave->op_pending = 0;
    if (state == AL_INIT) {
        for (unsigned index = 0; index < ESC_SMS; index++) sm_release(slave, index, 1);
        mailbox_reset(slave);
    } else if (from == AL_INIT) {
        sm_release(slave, 0, 0);
        sm_release(slave, 1, 0);
    }
    if (state != AL_OP) {
        watchdog_disarm(slave);
        sm_release(slave, 2, 1);
    }
    sm_release(slave, 3, state < AL_SAFEOP);
    publish(slave, state | error, code, now_ns);
    if (state != AL_OP) process_data_invalidate(slave, now_ns);
    truth_outputs(slave, now_ns);
}

/* OP needs outputs: the channel opens, and the first complete image makes it OP (or none in time 0x0019). */
static void request_op(esc *slave, int64_t now_ns) {
    const unsigned code = al_check_process_data(slave);
    if (code) {
        refuse(slave, code, now_ns);
        return;
    }
    publish(slave, AL_SAFEOP, 0, now_ns);
    if (!slave->sms[2].enabled) {
        enter(slave, AL_OP, 0, 0, now_ns);
        return;
    }
    if (slave->op_pending) return;
    sm_release(slave, 2, 0);
    slave->op_pending = 1;
    slave->op_deadline_ns = now_ns + op_timeout_ns;
}

static void climb(esc *slave, unsigned target, int64_t now_ns) {
    unsigned code = 0;
    if (target == AL_OP) {
        request_op(slave, now_ns);
        return;
    }
    if (target == AL_PREOP) code = al_check_mailbox(slave);
    if (target == AL_SAFEOP) code = al_check_process_data(slave);
    if (code) refuse(slave, code, now_ns);
    else enter(slave, target, 0, 0, now_ns);
}

static int refuses(esc *slave, unsigned target, int64_t now_ns) {
    esc_al_faults *faults = &slave->al_faults;
    if (!faults->refusals[target]) return 0;
    if (faults->refusals[target] != UINT32_MAX) faults->refusals[target]--;
    refuse(slave, faults->refusal_code[target], now_ns);
    return 1;
}

static void obey(esc *slave, unsigned control, int64_t now_ns) {
    const unsigned target = control & AL_MASK, state = esc_al_state(slave);
    const int in_error = slave->memory[REG_AL_STATUS] & AL_ERROR;
    /* An error stands until it is acknowledged, or until the master asks for no more than there is. */
    if (in_error && !(control & AL_ERROR) && (!rank(target) || rank(target) > rank(state))) return;
    if (target == AL_BOOT) {
        refuse(slave, state == AL_INIT ? CODE_NO_BOOTSTRAP : CODE_INVALID_STATE_CHANGE, now_ns);
    } else if (!rank(target)) {
        refuse(slave, CODE_UNKNOWN_STATE, now_ns);
    } else if (rank(target) > rank(state) + 1) {
        refuse(slave, CODE_INVALID_STATE_CHANGE, now_ns);
    } else if (rank(target) > rank(state)) {
        if (!refuses(slave, target, now_ns)) climb(slave, target, now_ns);
    } else if (rank(target) < rank(state)) {
        enter(slave, target, 0, 0, now_ns);
    } else {
        if (slave->op_pending) enter(slave, state, 0, 0, now_ns);
        else publish(slave, state, 0, now_ns);
    }
}

/* A slow application: the same request again changes nothing, another one takes its place. */
void al_control(esc *slave, int64_t now_ns) {
    const unsigned control = get16(slave->memory + REG_AL_CONTROL), target = control & AL_MASK;
    const int64_t slow_ns = rank(target) && target != esc_al_state(slave) ? slave->al_faults.slow_ns[target] : 0;
    if (slave->al_slow_until_ns && slave->al_slow_control == control) return;
    slave->al_slow_control = (uint16_t)control;
    slave->al_slow_until_ns = slow_ns ? later(now_ns, slow_ns) : 0;
    if (!slow_ns) obey(slave, control, now_ns);
}

void al_outputs_arrived(esc *slave, int64_t now_ns) {
    if (!slave->op_pending) return;
    slave->op_pending = 0;
    enter(slave, AL_OP, 0, 0, now_ns);
    watchdog_arm(slave, now_ns);
}

void al_watchdog_expired(esc *slave, int64_t now_ns) { enter(slave, AL_SAFEOP, AL_ERROR, CODE_SM_WATCHDOG, now_ns); }

void al_tick(esc *slave, int64_t now_ns) {
    if (slave->al_slow_until_ns && now_ns >= slave->al_slow_until_ns) {
        slave->al_slow_until_ns = 0;
        obey(slave, slave->al_slow_control, now_ns);
    }
    if (slave->op_pending && now_ns >= slave->op_deadline_ns)
        enter(slave, AL_SAFEOP, AL_ERROR, CODE_NO_VALID_OUTPUTS, now_ns);
}

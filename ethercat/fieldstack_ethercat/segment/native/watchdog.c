/* The process data watchdog: registers 0x0400, 0x0420, 0x0440 and 0x0442. Runs by time, in OP and on the way there. */
#include "esc.h"

void watchdog_reload(esc *slave) {
    const int64_t unit_ns = ((int64_t)get16(slave->memory + REG_WATCHDOG_DIVIDER) + 2) * 40;
    slave->watchdog_ns = unit_ns * get16(slave->memory + REG_WATCHDOG_PROCESS_DATA);
}

void watchdog_arm(esc *slave, int64_t now_ns) {
    slave->memory[REG_WATCHDOG_STATUS] = 1;
    slave->watchdog_deadline_ns = slave->watchdog_ns && slave->sms[2].watchdog ? now_ns + slave->watchdog_ns : 0;
}

void watchdog_disarm(esc *slave) { slave->watchdog_deadline_ns = 0; }

void watchdog_trigger(esc *slave, int64_t now_ns) {
    if (slave->watchdog_deadline_ns) watchdog_arm(slave, now_ns);
}

void watchdog_tick(esc *slave, int64_t now_ns) {
    if (!slave->watchdog_deadline_ns || now_ns < slave->watchdog_deadline_ns) return;
    uint8_t *counter = slave->memory + REG_WATCHDOG_COUNTER;
    slave->memory[REG_WATCHDOG_STATUS] = 0;
    if (*counter < 0xFF) ++*counter;
    slave->watchdog_expiries++;
    watchdog_disarm(slave);
    truth_event(slave, FS_EVENT_WATCHDOG_EXPIRED, slave->watchdog_expiries, 0, now_ns);
    al_watchdog_expired(slave, now_ns);
}

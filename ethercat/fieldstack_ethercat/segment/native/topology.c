/* Which slaves frames reach, and what the ports say about it (DL status, register 0x0110). */
#include "chain.h"

enum {
    PHY_PORT0 = 1 << 4,
    PHY_PORT1 = 1 << 5,
    LOOP_PORT1 = 1 << 10,
    COMMUNICATION_PORT0 = 1 << 9,
    COMMUNICATION_PORT1 = 1 << 11,
    LOOP_PORT2 = 1 << 12,
    LOOP_PORT3 = 1 << 14,
    LOOP_PORT0 = 1 << 8
};

static int joined(const fs_segment *segment, unsigned upper) {
    return upper + 1 < segment->count && segment->slaves[upper].powered && segment->slaves[upper + 1].powered &&
           segment->faults.cut_after != upper + 1;
}

static void lost_link(esc *slave, unsigned port) {
    uint8_t *counter = slave->memory + REG_LOST_LINK + port;
    if (*counter < 0xFF) ++*counter;
}

static void set_dl_status(esc *slave, int upstream, int downstream) {
    uint8_t *reg = slave->memory + REG_DL_STATUS;
    const unsigned before = get16(reg);
    unsigned status = (before & 0x000F) | LOOP_PORT2 | LOOP_PORT3;
    status |= upstream ? PHY_PORT0 | COMMUNICATION_PORT0 : LOOP_PORT0;
    status |= downstream ? PHY_PORT1 | COMMUNICATION_PORT1 : LOOP_PORT1;
    if (status == before) return;
    if ((before & COMMUNICATION_PORT0) && !upstream) lost_link(slave, 0);
    if ((before & COMMUNICATION_PORT1) && !downstream) lost_link(slave, 1);
    put16(reg, status);
    esc_raise(slave, EVENT_DL_STATUS);
}

void topology_reload(fs_segment *segment) {
    unsigned reach = 0;
    while (reach < segment->count && reach < segment->faults.cut_after && segment->slaves[reach].powered) reach++;
    segment->reach = reach;
    for (unsigned i = 0; i < segment->count; i++) {
        esc *slave = &segment->slaves[i];
        clock_place(slave, i, reach);
        if (!slave->powered) continue;
        const int upstream = i == 0 ? segment->faults.cut_after != 0 : joined(segment, i - 1);
        set_dl_status(slave, upstream, joined(segment, i));
    }
}

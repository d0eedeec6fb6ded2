/* What an application checks before it follows a state request (ETG.1000.6, AL status codes). */
#include "esc.h"

enum {
    CODE_MAILBOX = 0x0016,
    CODE_SYNC_MANAGERS = 0x0017,
    CODE_OUTPUTS = 0x001D,
    CODE_INPUTS = 0x001E,
    CODE_WATCHDOG = 0x001F,
    MAILBOX_MINIMUM = 34 /* bytes: the shortest that ETG.1000.6 allows for CoE with SDO information */
};

static int is_mailbox(const esc_sm *sm, int write) {
    return sm->enabled && sm->mailbox && sm->write == write && sm->length >= MAILBOX_MINIMUM &&
           sm->length <= ESC_MAILBOX_BYTES;
}

static int apart(const esc_sm *a, uint32_t a_buffers, const esc_sm *b, uint32_t b_buffers) {
    return (uint32_t)a->start + a->length * a_buffers <= b->start ||
           (uint32_t)b->start + b->length * b_buffers <= a->start;
}

unsigned al_check_mailbox(const esc *slave) {
    const esc_sm *sms = slave->sms;
    if (!is_mailbox(&sms[0], 1) || !is_mailbox(&sms[1], 0) || !apart(&sms[0], 1, &sms[1], 1)) return CODE_MAILBOX;
    return 0;
}

/* A channel fits its PDO mapping: on, buffered, in its direction and of the mapping's length; off when nothing is mapped. */
static int fits(const esc_sm *sm, int write, unsigned bytes) {
    if (!bytes) return !sm->enabled;
    return sm->enabled && !sm->mailbox && sm->write == write && sm->length == bytes;
}

unsigned al_check_process_data(const esc *slave) {
    const esc_sm *sms = slave->sms;
    if (al_check_mailbox(slave)) return CODE_MAILBOX;
    if (!fits(&sms[2], 1, esc_image_bytes(&slave->maps[FS_RX_PDO]))) return CODE_OUTPUTS;
    if (!fits(&sms[3], 0, esc_image_bytes(&slave->maps[FS_TX_PDO]))) return CODE_INPUTS;
    for (unsigned a = 2; a < 4; a++) {
        if (!sms[a].enabled) continue;
        if (sms[a].start + 3u * sms[a].length > ESC_MEMORY_BYTES) return CODE_SYNC_MANAGERS;
        for (unsigned b = 0; b < a; b++)
            if (sms[b].enabled && !apart(&sms[a], 3, &sms[b], b < 2 ? 1 : 3)) return CODE_SYNC_MANAGERS;
    }
    /* Below a millisecond no device here could tell a lost master from one frame's jitter. */
    if (sms[2].enabled && sms[2].watchdog && slave->watchdog_ns && slave->watchdog_ns < 1000000) return CODE_WATCHDOG;
    return 0;
}

/* The mailbox: telegrams from SM0 to the application, replies from its queue to SM1, repetition (ETG.1000.4, 6.7). */
#include "esc.h"

static uint8_t counter_of(const uint8_t *telegram) { return telegram[5] >> 4 & 7; }

void mailbox_reset(esc *slave) {
    esc_mailbox *box = &slave->mailbox;
    box->waiting = box->last_counter = box->head = box->count = 0;
    box->last.bytes = 0;
    box->session++;
}

/* A counter that does not move on marks a telegram sent twice because its answer was lost: it is not served again.
 * What is shorter than a telegram's header is none. */
void mailbox_written(esc *slave) {
    const esc_sm *sm = &slave->sms[0];
    const uint8_t counter = sm->length < ESC_MAILBOX_HEADER ? 0 : counter_of(slave->memory + sm->start);
    if (sm->length < ESC_MAILBOX_HEADER || (counter && counter == slave->mailbox.last_counter)) {
        sm_set_full(slave, 0, 0);
        return;
    }
    slave->mailbox.waiting = 1;
    segment_notify_mailbox(slave->segment);
}

int mailbox_put(esc *slave, const uint8_t *telegram, unsigned bytes) {
    const esc_sm *sm = &slave->sms[1];
    esc_mailbox *box = &slave->mailbox;
    if (!sm->enabled || sm->released || bytes > sm->length) return 0;
    memcpy(slave->memory + sm->start, telegram, bytes);
    memset(slave->memory + sm->start + bytes, 0, sm->length - bytes);
    if (telegram != box->last.data) memcpy(box->last.data, telegram, bytes);
    box->last.bytes = (uint16_t)bytes;
    sm_set_full(slave, 1, 1);
    return 1;
}

void mailbox_was_read(esc *slave) {
    esc_mailbox *box = &slave->mailbox;
    if (!box->count) return;
    const esc_telegram *next = &box->queue[box->head];
    box->head = (uint8_t)((box->head + 1u) % ESC_MAILBOX_QUEUE);
    box->count--;
    mailbox_put(slave, next->data, next->bytes);
}

/* The master toggled the repeat request: the last telegram comes again, and the toggle is acknowledged. */
void mailbox_repeat(esc *slave) {
    uint8_t *reg = slave->memory + REG_SM + 8;
    if (!slave->sms[1].full && slave->mailbox.last.bytes)
        mailbox_put(slave, slave->mailbox.last.data, slave->mailbox.last.bytes);
    slave->mailbox.repeat = reg[6] & 2;
    reg[7] = (uint8_t)((reg[7] & ~2) | slave->mailbox.repeat);
}

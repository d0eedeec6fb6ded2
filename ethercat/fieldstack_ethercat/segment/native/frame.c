/* A frame on its way through the chain, and time passing in it. */
#include <arpa/inet.h>
#include "chain.h"

enum {
    ETHERNET_HEADER = 14,
    ETHERCAT_HEADER = 2,
    DATAGRAM_HEADER = 10,
    WORKING_COUNTER = 2,
    ETHERTYPE = 0x88A4,
    TYPE_DATAGRAMS = 1,
    LENGTH_MASK = 0x07FF,
    MORE_FOLLOW = 0x8000
};

static int is_ethercat(const uint8_t *frame, int bytes) {
    return bytes >= ETHERNET_HEADER + ETHERCAT_HEADER && (frame[12] << 8 | frame[13]) == ETHERTYPE &&
           get16(frame + ETHERNET_HEADER) >> 12 == TYPE_DATAGRAMS;
}

/* Every datagram that lies whole within the frame; 0 if there was one that does not. */
static int process_datagrams(fs_segment *segment, uint8_t *at, uint8_t *end, int64_t now_ns) {
    for (;;) {
        if (end - at < DATAGRAM_HEADER + WORKING_COUNTER) return 0;
        const unsigned word = get16(at + 6), data_bytes = word & LENGTH_MASK;
        if (end - at < (int)(DATAGRAM_HEADER + data_bytes + WORKING_COUNTER)) return 0;
        datagram_process(segment, at, data_bytes, now_ns);
        if (!(word & MORE_FOLLOW)) return 1;
        at += DATAGRAM_HEADER + data_bytes + WORKING_COUNTER;
    }
}

static void process(fs_segment *segment, uint8_t *frame, int bytes, int64_t now_ns) {
    uint8_t *at = frame + ETHERNET_HEADER + ETHERCAT_HEADER;
    int end = ETHERNET_HEADER + ETHERCAT_HEADER + (get16(frame + ETHERNET_HEADER) & LENGTH_MASK);
    if (end > bytes) end = bytes;
    if (!process_datagrams(segment, at, frame + end, now_ns)) segment->statistics.malformed++;
}

int frame_process(fs_segment *segment, uint8_t *frame, int bytes, int64_t now_ns) {
    fs_statistics *statistics = &segment->statistics;
    statistics->frames++;
    segment->seen_ns = now_ns;
    if (!segment->reach) {
        statistics->lost++;
        return 0;
    }
    if (faults_drop(segment)) return 0;
    if (!is_ethercat(frame, bytes)) statistics->malformed++;
    else if (!faults_corrupt(segment, frame, bytes)) process(segment, frame, bytes, now_ns);
    /* ESCs mark frames that passed them: the source address becomes a locally administered one. */
    if (bytes > 6) frame[6] |= 0x02;
    if (faults_delay(segment, frame, bytes, now_ns)) return 0;
    statistics->answered++;
    return bytes;
}

void frame_advance(fs_segment *segment, int64_t now_ns) {
    segment->seen_ns = segment->advanced_ns = now_ns;
    for (unsigned i = 0; i < segment->count; i++) {
        esc *slave = &segment->slaves[i];
        if (slave->powered) {
            watchdog_tick(slave, now_ns);
            al_tick(slave, now_ns);
        }
        device_step(slave, now_ns);
    }
}

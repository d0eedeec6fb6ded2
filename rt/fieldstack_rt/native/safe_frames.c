#define _GNU_SOURCE
#include "safe_frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

enum { ETHERTYPE_ETHERCAT = 0x88A4, ETHERNET_HEADER = 14, FRAME_HEADER = 2, DATAGRAM_HEADER = 10, WKC = 2 };
enum { COMMAND_FPRD = 4, COMMAND_BRD = 7, COMMAND_BWR = 8, COMMAND_LWR = 11 };
enum { REGISTER_AL_CONTROL = 0x0120, REGISTER_AL_STATUS = 0x0130, AL_SAFE_OP = 4, AL_OP = 8, AL_STATE = 0x0F };
enum { FIRST_DATAGRAM = ETHERNET_HEADER + FRAME_HEADER, MAX_IMAGE = 1400, MORE = 0x8000 };

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static uint32_t get16(const uint8_t *at) { return at[0] | (uint32_t)at[1] << 8; }

static uint32_t add_datagram(uint8_t *frame, uint32_t at, int command, uint8_t index, uint32_t address,
                             const uint8_t *data, uint32_t size, int more) {
    uint8_t *datagram = frame + at;
    datagram[0] = (uint8_t)command;
    datagram[1] = index;
    put16(datagram + 2, address);
    put16(datagram + 4, address >> 16);
    put16(datagram + 6, size | (more ? MORE : 0));
    put16(datagram + 8, 0);
    memset(datagram + DATAGRAM_HEADER, 0, size + WKC);
    if (data) memcpy(datagram + DATAGRAM_HEADER, data, size);
    return at + DATAGRAM_HEADER + size + WKC;
}

static uint32_t finish_frame(uint8_t *frame, uint32_t end) {
    static const uint8_t source[6] = {0x02, 0x46, 0x53, 0x47, 0x52, 0x44};
    memset(frame, 0xFF, 6);
    memcpy(frame + 6, source, 6);
    frame[12] = ETHERTYPE_ETHERCAT >> 8;
    frame[13] = ETHERTYPE_ETHERCAT & 0xFF;
    put16(frame + ETHERNET_HEADER, (end - FIRST_DATAGRAM) | 1u << 12);
    if (end >= 60) return end;
    memset(frame + end, 0, 60 - end);
    return 60;
}

static void build_image(fs_safe_frames *frames, const fs_guard_plan *plan) {
    static const uint8_t safe_op[2] = {AL_SAFE_OP, 0};
    uint32_t sent = 0;
    frames->count = 0;
    do {
        uint32_t number = frames->count++, size = plan->outputs_size - sent;
        if (size > MAX_IMAGE) size = MAX_IMAGE;
        uint8_t *frame = frames->frame[number], index = (uint8_t)(FS_SAFE_INDEX + number);
        int last = sent + size == plan->outputs_size;
        uint32_t end = FIRST_DATAGRAM;
        if (size)
            end = add_datagram(frame, end, COMMAND_LWR, index, plan->logical_start + sent, plan->safe_image + sent,
                               size, last);
        if (last) {
            end = add_datagram(frame, end, COMMAND_BWR, index, REGISTER_AL_CONTROL << 16, safe_op, 2, 1);
            end = add_datagram(frame, end, COMMAND_BRD, index, REGISTER_AL_STATUS << 16, NULL, 2, 0);
        }
        frames->lwr_size[number] = size;
        frames->length[number] = finish_frame(frame, end);
        sent += size;
    } while (sent < plan->outputs_size && frames->count < FS_IMAGE_FRAMES);
}

static void build_status(fs_safe_frames *frames, const fs_guard_plan *plan) {
    for (uint32_t first = 0; first < plan->slave_count; first += FS_SLAVES_A_FRAME) {
        uint32_t number = frames->count++, end = FIRST_DATAGRAM, behind = first + FS_SLAVES_A_FRAME;
        if (behind > plan->slave_count) behind = plan->slave_count;
        for (uint32_t at = first; at < behind; at++)
            end = add_datagram(frames->frame[number], end, COMMAND_FPRD, (uint8_t)(FS_SAFE_INDEX + number),
                               (uint32_t)REGISTER_AL_STATUS << 16 | plan->stations[at], NULL, 2, at + 1 < behind);
        frames->length[number] = finish_frame(frames->frame[number], end);
    }
}

/* Accepts only answers to our own frames: a live master's traffic costs this socket nothing. */
static int attach_filter(int fd) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FIRST_DATAGRAM + 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FS_SAFE_INDEX, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFF),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int open_socket(const char *interface) {
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETHERTYPE_ETHERCAT),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    int one = 1;
    if (address.sll_ifindex == 0 || attach_filter(fd) || bind(fd, (struct sockaddr *)&address, sizeof address)) {
        int error = errno ? errno : ENODEV;
        close(fd);
        return -error;
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    return fd;
}

int fs_safe_frames_open(fs_safe_frames *frames, const fs_guard_plan *plan) {
    if (plan->outputs_size > sizeof plan->safe_image || plan->slave_count > FS_MAX_SLAVES) return EINVAL;
    char interface[sizeof plan->interface + 1] = {0};
    memcpy(interface, plan->interface, sizeof plan->interface);
    memset(frames, 0, sizeof *frames);
    frames->socket = -1;
    int fd = open_socket(interface);
    if (fd < 0) return -fd;
    frames->socket = fd;
    frames->slave_count = plan->slave_count;
    frames->expected_lwr_wkc = plan->expected_lwr_wkc;
    frames->epoch = plan->epoch;
    build_image(frames, plan);
    frames->image_count = frames->count;
    build_status(frames, plan);
    return 0;
}

void fs_safe_frames_close(fs_safe_frames *frames) {
    if (frames->socket >= 0) close(frames->socket);
    frames->socket = -1;
}

int fs_safe_frames_send(fs_safe_frames *frames) {
    int error = 0;
    for (uint32_t i = 0; i < frames->count; i++)
        if (send(frames->socket, frames->frame[i], frames->length[i], MSG_DONTWAIT) < 0) error = errno;
    return error;
}

void fs_safe_frames_forget(fs_safe_frames *frames) {
    uint8_t byte;
    while (recv(frames->socket, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) > 0) {}
}

static void take_states(const fs_safe_frames *frames, uint32_t number, const uint8_t *at, fs_safe_answer *answer) {
    uint32_t first = (number - frames->image_count) * FS_SLAVES_A_FRAME, behind = first + FS_SLAVES_A_FRAME;
    if (behind > frames->slave_count) behind = frames->slave_count;
    for (uint32_t slave = first; slave < behind; slave++, at += DATAGRAM_HEADER + 2 + WKC)
        answer->state[slave] = get16(at + DATAGRAM_HEADER + 2) == 1 ? (uint16_t)get16(at + DATAGRAM_HEADER) : 0;
}

static void take_answer(const fs_safe_frames *frames, const uint8_t *frame, uint32_t size, fs_safe_answer *answer) {
    uint32_t number = frame[FIRST_DATAGRAM + 1] - (uint32_t)FS_SAFE_INDEX;
    if (number >= frames->count || size < frames->length[number]) return;
    const uint8_t *at = frame + FIRST_DATAGRAM;
    answer->answered |= 1u << number;
    if (number >= frames->image_count) {
        take_states(frames, number, at, answer);
        return;
    }
    if (frames->lwr_size[number]) {
        int32_t wkc = (int32_t)get16(at + DATAGRAM_HEADER + frames->lwr_size[number]);
        if (answer->lwr_wkc < 0 || wkc < answer->lwr_wkc) answer->lwr_wkc = wkc;
        at += DATAGRAM_HEADER + frames->lwr_size[number] + WKC;
    }
    if (number + 1 != frames->image_count) return;
    answer->al_wkc = (int32_t)get16(at + DATAGRAM_HEADER + 2);
    at += DATAGRAM_HEADER + 2 + WKC;
    answer->al_states = get16(at + DATAGRAM_HEADER);
    answer->status_wkc = (int32_t)get16(at + DATAGRAM_HEADER + 2);
}

void fs_safe_frames_collect(fs_safe_frames *frames, uint64_t timeout_ns, fs_safe_answer *answer) {
    *answer = (fs_safe_answer){.lwr_wkc = -1, .al_wkc = -1, .status_wkc = -1};
    uint32_t all = (1u << frames->count) - 1;
    uint64_t until = fs_now_ns() + timeout_ns;
    while (answer->answered != all) {
        uint8_t frame[1600];
        ssize_t size = recv(frames->socket, frame, sizeof frame, MSG_DONTWAIT);
        if (size > FIRST_DATAGRAM + 1) {
            take_answer(frames, frame, (uint32_t)size, answer);
            continue;
        }
        uint64_t now = fs_now_ns();
        if (now >= until) return;
        struct timespec rest = {0, (long)(until - now)};
        struct pollfd readable = {frames->socket, POLLIN, 0};
        ppoll(&readable, 1, &rest, NULL);
    }
}

static int losses_whole(const fs_guard_losses *losses) {
    fs_guard_losses copy = *losses;
    copy.checksum = 0;
    return fs_checksum(&copy, sizeof copy) == losses->checksum;
}

/* The slaves that RT of this epoch told lost last; none where that is not known. */
static fs_guard_losses told_losses(const fs_store *store, uint64_t epoch) {
    fs_guard_losses found = {0};
    for (int i = 0; i < 2; i++) {
        fs_guard_losses one;
        fs_copy_words(&one, &store->guard_losses[i], sizeof one);
        if (one.epoch == epoch && one.sequence > found.sequence && losses_whole(&one)) found = one;
    }
    return found;
}

int fs_safe_answer_confirms(const fs_safe_frames *frames, fs_safe_answer *answer, const fs_store *store) {
    fs_guard_losses losses = told_losses(store, frames->epoch);
    answer->absent = 0;
    if (answer->status_wkc <= 0 || answer->al_states & AL_OP) return 0;
    for (uint32_t slave = 0; slave < frames->slave_count; slave++) {
        uint32_t state = answer->state[slave] & AL_STATE;
        if (state && state <= AL_SAFE_OP) continue;
        if (state || !(losses.absent[slave / 64] >> slave % 64 & 1)) return 0;
        answer->absent++;
    }
    return answer->absent < frames->slave_count;
}

/* The frame thread: the segment's end of the wire and the time base of its devices. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "chain.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
    ETHERTYPE = 0x88A4,
    BATCH = 16,
    BUCKET_NS = 500,
    BUCKETS = 128,
    STALL_NS = 5000000,
    LONGEST_WAIT_NS = 1000000000,
    STACK_BYTES = 256 * 1024
};
enum { REALTIME_FIFO = 1, REALTIME_PINNED = 2, REALTIME_LOCKED = 4 };

static void count_processing(fs_statistics *statistics, int64_t ns) {
    const int64_t bucket = ns / BUCKET_NS;
    statistics->processing_sum_ns += (uint64_t)ns;
    if (ns > statistics->processing_max_ns) statistics->processing_max_ns = ns;
    statistics->processing_histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static void answer(fs_segment *segment, const uint8_t *frame, int bytes) {
    if (send(segment->socket, frame, (size_t)bytes, MSG_DONTWAIT) >= 0) return;
    chain_lock(segment);
    segment->statistics.send_errors++;
    chain_unlock(segment);
}

/* When the wire brought a frame (CLOCK_MONOTONIC), by the kernel's stamp; now where there is none. */
static int64_t arrival(struct msghdr *message, int64_t now_ns) {
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) return now_ns;
    struct timespec stamp, wall;
    memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
    clock_gettime(CLOCK_REALTIME, &wall);
    const int64_t age_ns = (int64_t)(wall.tv_sec - stamp.tv_sec) * 1000000000 + (wall.tv_nsec - stamp.tv_nsec);
    return age_ns > 0 && age_ns < LONGEST_WAIT_NS ? now_ns - age_ns : now_ns;
}

static ssize_t take_frame(const fs_segment *segment, uint8_t *frame, size_t room, int64_t *arrived_ns) {
    union {
        struct cmsghdr alignment;
        char room[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec data = {frame, room};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(segment->socket, &message, MSG_DONTWAIT);
    *arrived_ns = fs_now_ns();
    if (got >= 0) *arrived_ns = arrival(&message, *arrived_ns);
    return got;
}

/* Frames that waited while this machine stood still act at the time they came, one after the other, as they do on
 * slaves: else the newest setpoint would be followed for all of that time. */
static int64_t go_to(fs_segment *segment, int64_t arrived_ns) {
    if (arrived_ns <= segment->seen_ns) return segment->seen_ns;
    if (segment->advanced_ns && arrived_ns - segment->advanced_ns > 2 * segment->step_ns)
        frame_advance(segment, arrived_ns);
    return arrived_ns;
}

/* Takes frames off the wire until none is left, at most a batch. 0, or a negative errno that ends the thread. */
static int serve_frames(fs_segment *segment, uint8_t *frame, size_t room) {
    for (int i = 0; i < BATCH; i++) {
        int64_t arrived_ns;
        const ssize_t got = take_frame(segment, frame, room, &arrived_ns);
        if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        const int64_t start_ns = fs_now_ns();
        chain_lock(segment);
        const int bytes = frame_process(segment, frame, (int)got, go_to(segment, arrived_ns));
        count_processing(&segment->statistics, fs_now_ns() - start_ns);
        chain_unlock(segment);
        if (bytes) answer(segment, frame, bytes);
    }
    return 0;
}

static void send_due(fs_segment *segment, uint8_t *frame) {
    for (;;) {
        chain_lock(segment);
        const int bytes = faults_take_due(segment, frame, fs_now_ns());
        chain_unlock(segment);
        if (!bytes) return;
        answer(segment, frame, bytes);
    }
}

/* Steps the devices; returns when the next step is due. Steps that were missed are made good in one. */
static int64_t step(fs_segment *segment, int64_t due_ns) {
    fs_statistics *statistics = &segment->statistics;
    const int64_t now_ns = fs_now_ns(), late_ns = now_ns - due_ns;
    chain_lock(segment);
    frame_advance(segment, now_ns);
    const int64_t took_ns = fs_now_ns() - now_ns;
    statistics->steps++;
    if (took_ns > statistics->step_max_ns) statistics->step_max_ns = took_ns;
    if (late_ns > statistics->late_max_ns) statistics->late_max_ns = late_ns;
    if (late_ns > STALL_NS) statistics->stalls++;
    chain_unlock(segment);
    return late_ns < segment->step_ns ? due_ns + segment->step_ns : now_ns + segment->step_ns;
}

static int64_t next_wake(fs_segment *segment, int64_t step_due_ns) {
    chain_lock(segment);
    const int64_t frame_due_ns = faults_next_due(segment);
    chain_unlock(segment);
    return frame_due_ns && frame_due_ns < step_due_ns ? frame_due_ns : step_due_ns;
}

/* Frames come first: what waits on the wire after a stall of this machine was sent in time, and counts at its own time
 * before the watchdogs look at the clock. */
static int run(fs_segment *segment) {
    uint8_t frame[2048];
    struct pollfd polled[2] = {{.fd = segment->socket, .events = POLLIN}, {.fd = segment->stop_fd, .events = POLLIN}};
    int64_t step_due_ns = fs_now_ns() + segment->step_ns;
    for (;;) {
        int64_t left_ns = next_wake(segment, step_due_ns) - fs_now_ns();
        if (left_ns < 0) left_ns = 0;
        const struct timespec timeout = {left_ns / 1000000000, left_ns % 1000000000};
        if (ppoll(polled, 2, &timeout, NULL) < 0 && errno != EINTR) return -errno;
        if (polled[1].revents) return 0;
        const int result = serve_frames(segment, frame, sizeof frame);
        if (result) return result;
        send_due(segment, frame);
        if (fs_now_ns() >= step_due_ns) step_due_ns = step(segment, step_due_ns);
    }
}

void *frame_thread(void *argument) {
    fs_segment *segment = argument;
    segment->result = run(segment);
    if (segment->result) {
        const uint64_t one = 1;
        if (write(segment->failed_fd, &one, sizeof one) < 0) return NULL;
    }
    return NULL;
}

static int open_wire(const fs_run_options *options) {
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    const int on = 1, buffer = 4 << 20;
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE), .sll_ifindex = options->ifindex};
    /* Both are refinements that old kernels lack: answers are of the same type, and sent past no queue. */
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* What is not permitted stays as it is; statistics.realtime says what is in effect. */
static uint32_t make_realtime(pthread_t thread, const fs_run_options *options) {
    uint32_t done = 0;
    if (options->priority > 0) {
        const struct sched_param param = {.sched_priority = options->priority};
        if (!mlockall(MCL_CURRENT | MCL_FUTURE)) done |= REALTIME_LOCKED;
        if (!pthread_setschedparam(thread, SCHED_FIFO, &param)) done |= REALTIME_FIFO;
    }
    if (options->cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((unsigned)options->cpu, &cpus);
        if (!pthread_setaffinity_np(thread, sizeof cpus, &cpus)) done |= REALTIME_PINNED;
    }
    return done;
}

/* A small stack: locking memory makes all of it resident. */
static int start_thread(fs_segment *segment) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error) return error;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    /* Signals are for the process's main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&segment->thread, &attributes, frame_thread, segment);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int fs_segment_start(fs_segment *segment, const fs_run_options *options) {
    if (segment->running) return -EALREADY;
    if (options->step_ns < 50000 || options->step_ns > 10000000) return -EINVAL;
    const int fd = open_wire(options);
    if (fd < 0) return fd;
    segment->socket = fd;
    segment->step_ns = options->step_ns;
    const int error = start_thread(segment);
    if (error) {
        close(fd);
        return -error;
    }
    const uint32_t realtime = make_realtime(segment->thread, options);
    chain_lock(segment);
    segment->statistics.realtime = realtime;
    chain_unlock(segment);
    segment->running = 1;
    return 0;
}

int fs_segment_stop(fs_segment *segment) {
    if (!segment->running) return 0;
    uint64_t one = 1;
    if (write(segment->stop_fd, &one, sizeof one) < 0) return -errno;
    pthread_join(segment->thread, NULL);
    if (read(segment->stop_fd, &one, sizeof one) < 0) one = 0;
    close(segment->socket);
    segment->socket = -1;
    segment->running = 0;
    return segment->result;
}

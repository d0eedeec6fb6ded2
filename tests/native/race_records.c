/* Records behind a seqlock: no reader ever has parts of two of them, wherever their writer dies and whoever mends it. */
#define _GNU_SOURCE
#include "race_store.h"

enum { WORDS = sizeof(fs_rt_status) / 8, ATTEMPTS = 100 };

/* As a process that dies inside a write: the sequence stays odd, half of the record is new. */
static void die_inside(uint64_t number) {
    uint64_t *words = (uint64_t *)&store->rt_status;
    fs_block_tear(store, FS_BLOCK_RT_STATUS);
    for (uint32_t i = 0; i < WORDS / 2; i++) __atomic_store_n(&words[i], number, __ATOMIC_RELAXED);
}

static void write_records(runner *self) {
    uint64_t record[WORDS];
    for (uint64_t number = 1; !over(); number++, self->done++) {
        if (one_in(self, 50)) {
            die_inside(number);
            stumble(self);
            if (one_in(self, 2)) require(fs_block_mend(store, FS_BLOCK_RT_STATUS) == 1, "what is torn is mended");
        }
        for (uint32_t i = 0; i < WORDS; i++) record[i] = number;
        fs_block_write(store, FS_BLOCK_RT_STATUS, record);
        stumble(self);
    }
}

/* A record that was mended is empty, and older than the next. */
static void read_records(runner *self) {
    uint64_t record[WORDS], last = 0;
    while (!over()) {
        if (fs_block_read(store, FS_BLOCK_RT_STATUS, record, ATTEMPTS)) continue;
        for (uint32_t i = 1; i < WORDS; i++) require(record[i] == record[0], "all words of a record are of one write");
        require(record[0] == 0 || record[0] >= last, "records do not go back");
        if (record[0]) last = record[0];
        self->done++;
    }
}

int main(int count, char **arguments) {
    runner runners[] = {{.run = write_records}, {.run = read_records}, {.run = read_records}, {.run = read_records}};
    return race_on_a_store(count, arguments, runners, sizeof runners / sizeof *runners);
}

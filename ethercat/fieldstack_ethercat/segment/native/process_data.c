/* Process data between the ESC's buffers and the objects of the device, as the PDO mapping has it. */
#include "esc.h"

static void copy_bits(uint8_t *to, uint32_t to_bit, const uint8_t *from, uint32_t from_bit, uint32_t bits) {
    for (uint32_t i = 0; i < bits; i++, to_bit++, from_bit++) {
        const uint8_t mask = (uint8_t)(1u << (to_bit & 7));
        const int value = from[from_bit >> 3] >> (from_bit & 7) & 1;
        to[to_bit >> 3] = (uint8_t)(value ? to[to_bit >> 3] | mask : to[to_bit >> 3] & ~mask);
    }
}

static void unpack(const esc_map *map, const uint8_t *image) {
    uint32_t bit = 0;
    for (unsigned i = 0; i < map->count; bit += map->entries[i].bits, i++) {
        const fs_map_entry *entry = &map->entries[i];
        if (!entry->object) continue;
        if (!((bit | entry->bits) & 7)) memcpy(entry->object, image + bit / 8, entry->bits / 8);
        else copy_bits(entry->object, 0, image, bit, entry->bits);
    }
}

static void pack(const esc_map *map, uint8_t *image) {
    uint32_t bit = 0;
    for (unsigned i = 0; i < map->count; bit += map->entries[i].bits, i++) {
        const fs_map_entry *entry = &map->entries[i];
        if (!entry->object) continue;
        if (!((bit | entry->bits) & 7)) memcpy(image + bit / 8, entry->object, entry->bits / 8);
        else copy_bits(image, bit, entry->object, 0, entry->bits);
    }
}

/* SM2 holds a complete image. It goes to the device in OP only. */
void process_data_outputs(esc *slave, int64_t now_ns) {
    const esc_map *map = &slave->maps[FS_RX_PDO];
    const unsigned bytes = esc_image_bytes(map);
    al_outputs_arrived(slave, now_ns);
    if (esc_al_state(slave) != AL_OP || bytes > slave->sms[2].length) return;
    memcpy(slave->outputs, slave->memory + slave->sms[2].start, bytes);
    unpack(map, slave->outputs);
    slave->truth.output_writes++;
    slave->truth.last_outputs_ns = now_ns;
    if (!slave->device.took_outputs) {
        slave->device.took_outputs = 1;
        truth_event(slave, FS_EVENT_OUTPUTS_VALID, 0, 0, now_ns);
    }
    device_outputs_taken(slave);
    truth_outputs(slave, now_ns);
}

/* The inputs as they are now, for a read of SM3 that begins. */
void process_data_inputs(esc *slave) {
    const esc_map *map = &slave->maps[FS_TX_PDO];
    if (esc_image_bytes(map) > slave->sms[3].length) return;
    pack(map, slave->memory + slave->sms[3].start);
}

/* OP is left: the output image is zero, and the device learns at once that its outputs are not valid. */
void process_data_invalidate(esc *slave, int64_t now_ns) {
    memset(slave->outputs, 0, sizeof slave->outputs);
    if (slave->sms[2].enabled) memset(slave->memory + slave->sms[2].start, 0, slave->sms[2].length);
    if (!slave->device.took_outputs) return;
    slave->device.took_outputs = 0;
    truth_event(slave, FS_EVENT_OUTPUTS_INVALID, 0, 0, now_ns);
    device_step(slave, now_ns);
}

/* The slave information interface: EEPROM access through registers 0x0500 to 0x050F (ETG.1000.4, table 31 and following). */
#include "esc.h"

enum {
    STATUS_READ_8_BYTES = 1 << 6,
    COMMAND_READ = 1,
    COMMAND_WRITE = 2,
    COMMAND_RELOAD = 4,
    ERROR_CHECKSUM = 1 << 11,
    ERROR_COMMAND = 1 << 13,
    ERROR_WRITE_ENABLE = 1 << 14
};

int sii_owned_by_master(const esc *slave) { return !(slave->memory[REG_EEPROM_CONFIG] & 1); }

static uint8_t byte_at(const esc *slave, uint32_t address) {
    return address < slave->eeprom_bytes ? slave->eeprom[address] : 0xFF;
}

/* Checksum of the configuration area: x^8 + x^2 + x + 1 with start value 0xFF over words 0 to 6 (ETG.1000.6, 5.4). */
static uint8_t checksum(const esc *slave) {
    uint8_t crc = 0xFF;
    for (uint32_t i = 0; i < 14; i++) {
        crc ^= byte_at(slave, i);
        for (int bit = 0; bit < 8; bit++) crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1);
    }
    return crc;
}

void sii_reload(esc *slave) {
    uint8_t *m = slave->memory;
    const int good = byte_at(slave, 14) == checksum(slave);
    put16(m + REG_EEPROM_CONTROL, STATUS_READ_8_BYTES | (good ? 0 : ERROR_CHECKSUM));
    if (good) {
        put16(m + REG_STATION_ALIAS, byte_at(slave, 8) | (unsigned)byte_at(slave, 9) << 8);
        m[REG_DL_STATUS] |= 1; /* EEPROM loaded, PDI operational */
    }
}

static void read_words(esc *slave) {
    const uint32_t address = get32(slave->memory + REG_EEPROM_ADDRESS) & 0x7FFFFFFFu;
    for (uint32_t i = 0; i < 8; i++)
        slave->memory[REG_EEPROM_DATA + i] = address < FS_SEGMENT_EEPROM_BYTES ? byte_at(slave, 2 * address + i) : 0xFF;
}

/* Stores one word; what the ESC derives from it changes at the next reload or power-on. */
static unsigned write_word(esc *slave, int enabled) {
    const uint32_t address = get32(slave->memory + REG_EEPROM_ADDRESS);
    if (!enabled) return ERROR_WRITE_ENABLE;
    if (address >= slave->eeprom_bytes / 2) return ERROR_COMMAND;
    memcpy(slave->eeprom + 2 * address, slave->memory + REG_EEPROM_DATA, 2);
    return 0;
}

/* Commands take no time here: the busy bit is never seen set. */
void sii_command(esc *slave) {
    uint8_t *reg = slave->memory + REG_EEPROM_CONTROL;
    const unsigned command = reg[1] & 7, enabled = reg[0] & 1;
    unsigned error = 0;
    put16(reg, STATUS_READ_8_BYTES);
    switch (command) {
    case 0: break; /* clears the error bits */
    case COMMAND_READ: read_words(slave); break;
    case COMMAND_WRITE: error = write_word(slave, (int)enabled); break;
    case COMMAND_RELOAD: sii_reload(slave); return;
    default: error = ERROR_COMMAND;
    }
    put16(reg, STATUS_READ_8_BYTES | error);
}

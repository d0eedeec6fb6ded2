/* The register area 0x0000 to 0x0FFF: what the master may write, and what a write sets off. */
#include "esc.h"

typedef struct range {
    uint16_t first;
    uint16_t end;
} range;

/* Writable by the master; sync managers are handled apart. Writes elsewhere have no effect and do not count. */
static const range writable[] = {
    {REG_STATION_ADDRESS, REG_STATION_ADDRESS + 2},
    {REG_DL_CONTROL, REG_DL_CONTROL + 4},
    {REG_AL_CONTROL, REG_AL_CONTROL + 2},
    {REG_EVENT_MASK, REG_EVENT_MASK + 2},
    {REG_WATCHDOG_DIVIDER, REG_WATCHDOG_DIVIDER + 2},
    {REG_WATCHDOG_PDI, REG_WATCHDOG_PDI + 2},
    {REG_WATCHDOG_PROCESS_DATA, REG_WATCHDOG_PROCESS_DATA + 2},
    {REG_FMMU, REG_FMMU + 16 * ESC_FMMUS},
    {REG_USER_RAM, ESC_RAM_START},
};

/* A write to any byte of these clears them all. */
static const range cleared[] = {
    {REG_RX_ERROR, REG_RX_ERROR + 16},
    {REG_LOST_LINK, REG_LOST_LINK + 4},
    {REG_WATCHDOG_COUNTER, REG_WATCHDOG_COUNTER + 2},
};

static int overlaps(uint32_t address, uint32_t bytes, uint32_t first, uint32_t end) {
    return address < end && address + bytes > first;
}

int registers_copy(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, uint32_t first, uint32_t end) {
    if (!overlaps(address, bytes, first, end)) return 0;
    const uint32_t from = address > first ? address : first;
    const uint32_t to = address + bytes < end ? address + bytes : end;
    memcpy(slave->memory + from, data + (from - address), to - from);
    return 1;
}

/* Address, length and control of an enabled sync manager are locked; status and PDI control belong to the slave. */
static int write_sync_managers(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes) {
    int done = 0;
    for (uint32_t index = 0; index < ESC_SMS; index++) {
        const uint32_t base = REG_SM + 8 * index;
        const uint8_t before = slave->memory[base + 6];
        if (!(before & 1)) done |= registers_copy(slave, address, data, bytes, base, base + 5);
        if (registers_copy(slave, address, data, bytes, base + 6, base + 7)) {
            done = 1;
            if (index == 1 && ((before ^ slave->memory[base + 6]) & 2)) mailbox_repeat(slave);
        }
    }
    slave->sm_changed |= (uint8_t)done;
    return done;
}

static int write_cleared(esc *slave, uint32_t address, uint32_t bytes) {
    int done = 0;
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++) {
        if (!overlaps(address, bytes, cleared[i].first, cleared[i].end)) continue;
        memset(slave->memory + cleared[i].first, 0, cleared[i].end - cleared[i].first);
        done = 1;
    }
    return done;
}

/* 0x0500: ownership; 0x0502..0x050F only while the master owns the interface. */
static int write_eeprom(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes) {
    int done = registers_copy(slave, address, data, bytes, REG_EEPROM_CONFIG, REG_EEPROM_CONFIG + 1);
    if (!sii_owned_by_master(slave)) return done;
    done |= registers_copy(slave, address, data, bytes, REG_EEPROM_ADDRESS, REG_EEPROM_DATA + 8);
    if (overlaps(address, bytes, REG_EEPROM_CONTROL, REG_EEPROM_CONTROL + 2)) {
        uint8_t *control = slave->memory + REG_EEPROM_CONTROL;
        const uint16_t before = get16(control);
        registers_copy(slave, address, data, bytes, REG_EEPROM_CONTROL, REG_EEPROM_CONTROL + 2);
        /* The low byte's upper bits and the high byte's error bits are the interface's own. */
        control[0] = (uint8_t)((before & 0x00FE) | (control[0] & 0x01));
        control[1] = (uint8_t)(control[1] & 0x07);
        sii_command(slave);
        done = 1;
    }
    return done;
}

static void apply(esc *slave, uint32_t address, uint32_t bytes, int64_t now_ns) {
    if (overlaps(address, bytes, REG_FMMU, REG_FMMU + 16 * ESC_FMMUS)) fmmu_reload(slave);
    if (slave->sm_changed) {
        slave->sm_changed = 0;
        sm_reload(slave);
    }
    if (overlaps(address, bytes, REG_WATCHDOG_DIVIDER, REG_WATCHDOG_PROCESS_DATA + 2)) watchdog_reload(slave);
    if (overlaps(address, bytes, REG_AL_CONTROL, REG_AL_CONTROL + 1)) al_control(slave, now_ns);
}

int registers_write(esc *slave, uint32_t address, const uint8_t *data, uint32_t bytes, int64_t now_ns) {
    int done = 0;
    for (size_t i = 0; i < sizeof writable / sizeof *writable; i++)
        done |= registers_copy(slave, address, data, bytes, writable[i].first, writable[i].end);
    if (overlaps(address, bytes, REG_RX_ERROR, REG_WATCHDOG_COUNTER + 2)) done |= write_cleared(slave, address, bytes);
    if (overlaps(address, bytes, REG_EEPROM_CONFIG, REG_EEPROM_DATA + 8))
        done |= write_eeprom(slave, address, data, bytes);
    if (overlaps(address, bytes, REG_DC, REG_DC_END)) done |= clock_write(slave, address, data, bytes, now_ns);
    if (overlaps(address, bytes, REG_SM, REG_SM + 8 * ESC_SMS))
        done |= write_sync_managers(slave, address, data, bytes);
    if (done) apply(slave, address, bytes, now_ns);
    return done;
}

int registers_read(esc *slave, uint32_t address, uint8_t *data, uint32_t bytes, int64_t now_ns) {
    if (overlaps(address, bytes, REG_DC, REG_DC_END)) clock_refresh(slave, now_ns);
    memcpy(data, slave->memory + address, bytes);
    if (overlaps(address, bytes, REG_DL_STATUS, REG_DL_STATUS + 2))
        slave->memory[REG_EVENT] &= (uint8_t)~EVENT_DL_STATUS;
    if (overlaps(address, bytes, REG_AL_STATUS, REG_AL_STATUS + 2))
        slave->memory[REG_EVENT] &= (uint8_t)~EVENT_AL_STATUS;
    return 1;
}

void registers_reset(esc *slave) {
    uint8_t *m = slave->memory;
    memset(m, 0, ESC_MEMORY_BYTES);
    m[REG_TYPE] = 0x11;  /* a full ESC with two ports, of a make of its own */
    m[REG_TYPE + 1] = 1; /* revision */
    m[0x0004] = ESC_FMMUS;
    m[0x0005] = ESC_SMS;
    m[0x0006] = (ESC_MEMORY_BYTES - ESC_RAM_START) / 1024;
    m[0x0007] = 0x0F; /* ports 0 and 1 are MII, 2 and 3 do not exist */
    put16(m + REG_FEATURES, slave->clock.present ? FEATURE_DC | FEATURE_DC_64 : 0); /* FMMUs down to bits */
    m[REG_PDI_CONTROL] = 0x05;                                                      /* SPI: a slave with a processor */
    put16(m + REG_WATCHDOG_DIVIDER, 0x09C2);                                        /* (2498 + 2) * 40 ns = 100 us */
    put16(m + REG_WATCHDOG_PDI, 0x03E8);
    put16(m + REG_WATCHDOG_PROCESS_DATA, slave->watchdog_default);
}

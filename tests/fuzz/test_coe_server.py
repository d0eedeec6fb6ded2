"""Whatever telegrams a master writes into a slave's mailbox, its CoE server answers in due form."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from random import Random

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.coe import CoeMessage, CoeService
from fieldstack_ethercat.wire.mailbox import MailboxTelegram, MailboxType, next_counter
from fieldstack_ethercat.wire.sdo import UploadRequest, UploadResponse, unpack_response

Rounds = Callable[[], Iterator[Random]]
SLAVES = 2
TELEGRAMS = 60
PROFILES = (b"\x92\x01", b"\x89\x13")
"""Low half of object 0x1000: 402 of a drive, 5001 of a terminal."""
OBJECTS = (
    *(0x1000, 0x1008, 0x1018, 0x1600, 0x1601, 0x1A00, 0x1C00, 0x1C12, 0x1C13, 0x2010),
    *(0x6007, 0x6040, 0x605A, 0x6065, 0x607A, 0x607D, 0x6084, 0x60C2, 0x60FE, 0x7000),
)
COMMANDS = (0x40, 0x50, 0x60, 0x70, 0x21, 0x23, 0x27, 0x2B, 0x2F, 0x31, 0x00, 0x10, 0x01, 0x11, 0x80)
OPCODES = (1, 3, 5)


class Wire:
    """A drive and a terminal, and the master's end of their mailboxes."""

    def __init__(self) -> None:
        self.bench = SegmentBench(parse_devices("drive,dio"), watchdog_ms=0)
        self.master = DirectMaster(self.bench.chain)
        images = [self.master.sii(slave) for slave in range(SLAVES)]
        self.boxes = [image.sync_managers[:2] for image in images]
        self._counters = [0] * SLAVES

    def send(self, slave: int, telegram: bytes) -> None:
        box = self.boxes[slave][0]
        self.master.write(slave, box.start, telegram[: box.length].ljust(box.length, b"\0"))
        self.bench.serve_mailboxes()

    def answers(self, slave: int) -> Iterator[bytes]:
        box = self.boxes[slave][1]
        while any(answer := self.master.read(slave, box.start, box.length)):
            yield answer

    def telegram(self, slave: int, service: int, payload: bytes) -> bytes:
        self._counters[slave] = counter = next_counter(self._counters[slave])
        return MailboxTelegram(MailboxType.COE, CoeMessage(service, payload).pack(), counter=counter).pack()


def sdo(random: Random) -> bytes:
    index, sub = random.choice(OBJECTS), random.choice([0, 0, 1, 2, 3, 255])
    size = random.choice([0, 1, 4, 100, 2**32 - 1])
    head = struct.pack("<BHBI", random.choice(COMMANDS) ^ random.choice([0, 0, 1, 0x10]), index, sub, size)
    return head + random.randbytes(random.randrange(120))


def information(random: Random) -> bytes:
    head = struct.pack("<BBH", random.choice(OPCODES), 0, 0)
    return head + struct.pack("<HBB", random.choice(OBJECTS), random.randrange(4), random.randrange(256))


def any_telegram(wire: Wire, slave: int, random: Random) -> bytes:
    kind = random.randrange(8)
    if kind == 0:
        return random.randbytes(random.randrange(300))
    service, payload = (2, sdo(random)) if kind < 6 else (8, information(random))
    telegram = bytearray(
        wire.telegram(slave, service, payload[: random.choice([500, 500, len(payload) // 2])])
    )
    if random.random() < 0.2:
        telegram[random.randrange(len(telegram))] = random.randrange(256)
    return bytes(telegram)


def upload_of_the_device_type(wire: Wire, slave: int) -> bytes:
    wire.send(slave, wire.telegram(slave, CoeService.SDO_REQUEST, UploadRequest(0x1000, 0, False).pack()))
    answer = CoeMessage.unpack(MailboxTelegram.unpack(next(wire.answers(slave))).data)
    response = unpack_response(answer.payload)
    assert isinstance(response, UploadResponse)
    return response.data


def test_any_telegrams_are_answered(rounds: Rounds) -> None:
    wire = Wire()
    for random in rounds():
        for slave in range(SLAVES):
            wire.master.bring_up(slave, random.choice([AlState.PREOP, AlState.OP]))
        for _ in range(TELEGRAMS):
            slave = random.randrange(SLAVES)
            wire.send(slave, any_telegram(wire, slave, random))
            for answer in wire.answers(slave):
                MailboxTelegram.unpack(answer)
            if random.random() < 0.2:
                wire.master.advance(random.randrange(20))
        for slave in range(SLAVES):
            wire.master.request(slave, AlState.INIT, acknowledge=True)
            assert wire.master.bring_up(slave, AlState.PREOP).state == AlState.PREOP
            assert upload_of_the_device_type(wire, slave)[:2] == PROFILES[slave]

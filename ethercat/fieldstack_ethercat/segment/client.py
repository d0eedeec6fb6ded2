"""Asks a segment's control socket: orders faults, reads the truth. Needs none of the native part.

`fieldstack segment`, the failover bench and the tests use it.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_ethercat.segment.description.defects import Defect, ObjectFault
from fieldstack_ethercat.segment.description.errors import CommandError, SegmentGoneError
from fieldstack_ethercat.segment.truth import MotionSample, SegmentStatistics, SlaveEvent, SlaveTruth

DEFAULT_TIMEOUT_S = 5.0
ALWAYS = 0xFFFFFFFF
"""As a count: until another order ends it."""


class SegmentClient:
    """Talks to the segment whose control socket is `path`; slaves count from 0 in wire order.

    Methods return when the segment has done what they ask; those that order a fault with its CLOCK_MONOTONIC
    stamp in ns. They raise CommandError for what the segment refuses, SegmentGoneError if it is gone.
    """

    def __init__(self, path: Path | str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(self._path)
        except OSError as error:
            self._socket.close()
            raise SegmentGoneError(self._path, str(error)) from error
        self._reader = self._socket.makefile("rb")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def __enter__(self) -> SegmentClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Sends one command and returns its answer."""
        line = json.dumps({"command": command, **arguments}).encode() + b"\n"
        try:
            self._socket.sendall(line)
            received = self._reader.readline()
        except OSError as error:
            raise SegmentGoneError(self._path, str(error)) from error
        if not received:
            raise SegmentGoneError(self._path, "it closed the connection")
        answer: dict[str, Any] = bounded_json.loads(received)
        if not answer["ok"]:
            raise CommandError(answer["error"])
        return answer

    def _order(self, command: str, **arguments: Any) -> int:
        return int(self.request(command, **arguments)["t_ns"])

    def cut_cable(self, after: int) -> int:
        """Cuts the cable behind `after` slaves; 0: before the first, nothing answers."""
        return self._order("cut_cable", after=after)

    def heal_cable(self) -> int:
        return self._order("heal_cable")

    def power_off(self, slave: int) -> int:
        """The slave goes dark: frames end before it."""
        return self._order("power_off", slave=slave)

    def power_on(self, slave: int) -> int:
        """The slave comes back in INIT, its registers and objects as at the factory."""
        return self._order("power_on", slave=slave)

    def power_off_all(self) -> int:
        """The whole bus goes dark at once."""
        return self._order("power_off_all")

    def power_on_all(self) -> int:
        """All slaves come back at once, in INIT, without station addresses."""
        return self._order("power_on_all")

    def slow_state(self, slave: int, state: int, ms: int) -> int:
        """The slave enters that AL state (1, 2, 4, 8; 0: every one) `ms` after each request; 0 ends it."""
        return self._order("slow_state", slave=slave, state=state, ms=ms)

    def refuse_state(self, slave: int, state: int, code: int, count: int = ALWAYS) -> int:
        """The next `count` requests for that AL state (2, 4, 8) are refused with that AL status code."""
        return self._order("refuse_state", slave=slave, state=state, code=code, count=count)

    def mailbox_late(self, slave: int, ms: int, count: int = ALWAYS) -> int:
        """The answers to the next `count` mailbox requests come `ms` late; count 0 ends it."""
        return self._order("mailbox_late", slave=slave, ms=ms, count=count)

    def mailbox_silent(self, slave: int, count: int = ALWAYS) -> int:
        """The next `count` mailbox requests are taken and never answered; 0 ends it."""
        return self._order("mailbox_silent", slave=slave, count=count)

    def lose_fmmus(self, slave: int) -> int:
        """The slave forgets its FMMUs while it runs: it takes no part in the exchange, and shows no error."""
        return self._order("lose_fmmus", slave=slave)

    def lose_sync_manager(self, slave: int, index: int) -> int:
        """One of its sync managers (0 to 7) is switched off, as no master did."""
        return self._order("lose_sync_manager", slave=slave, index=index)

    def close_sync_manager(self, slave: int, index: int) -> int:
        """Its application closes one of its sync managers (register 0x0807 + 8n, bit 0), and says nothing."""
        return self._order("close_sync_manager", slave=slave, index=index)

    def lose_address(self, slave: int) -> int:
        """The slave forgets its station address, and runs on."""
        return self._order("lose_address", slave=slave)

    def drop_frames(self, count: int) -> int:
        """The next `count` frames reach no slave."""
        return self._order("drop_frames", count=count)

    def delay_frames(self, count: int, us: int) -> int:
        """The answers to the next `count` frames come `us` microseconds late."""
        return self._order("delay_frames", count=count, us=us)

    def corrupt_frames(self, count: int) -> int:
        """The next `count` frames are damaged on the line: no slave uses them."""
        return self._order("corrupt_frames", count=count)

    def drive_fault(self, slave: int, code: int) -> int:
        """A fault inside a drive, with the error code that object 0x603F will show."""
        return self._order("drive_fault", slave=slave, code=code)

    def ignore(self, slave: int, defects: Defect, ramp_per_mille: int = 0) -> int:
        """A drive is out of order in these ways from now on, and in no others; `Defect(0)`: it obeys again.

        `ramp_per_mille`: the share of a ramp's deceleration that it has; 0: all of it.
        """
        return self._order("drive_defects", slave=slave, defects=int(defects), ramp_per_mille=ramp_per_mille)

    def object_fault(self, slave: int, index: int, fault: ObjectFault) -> int:
        """An object of the slave's dictionary is absent, or does not take what is written; or is well."""
        return self._order("object_fault", slave=slave, index=index, fault=int(fault))

    def clock_drift(self, slave: int, ppm: int) -> int:
        """Rate error of the oscillator behind a drive's distributed clock, -1000 to 1000 ppm."""
        return self._order("clock_drift", slave=slave, ppm=ppm)

    def dc_lose(self, slave: int) -> int:
        """The slave's clock no longer follows the reference clock: it runs away at its oscillator's error."""
        return self._order("dc_lose", slave=slave)

    def dc_follow(self, slave: int) -> int:
        """It follows again."""
        return self._order("dc_follow", slave=slave)

    def set_inputs(self, slave: int, bits: int) -> int:
        """Input clamps of a digital terminal, bit 0 the first."""
        return self._order("set_inputs", slave=slave, bits=bits)

    def set_safe_image(self, slave: int, image: bytes) -> int:
        """What counts as safe outputs of a slave from now on; empty: its device's default."""
        return self._order("set_safe_image", slave=slave, image=image.hex())

    def truth(self) -> list[SlaveTruth]:
        """All slaves as they really are."""
        return [SlaveTruth.from_json(value) for value in self.request("truth")["result"]]

    def events(self, slave: int, since: int = 0) -> list[SlaveEvent]:
        """A slave's events after sequence number `since`, oldest first; the last 2048 are kept."""
        result = self.request("events", slave=slave, since=since)["result"]
        return [SlaveEvent.from_json(value) for value in result]

    def trace(self, slave: int, since: int = 0) -> list[MotionSample]:
        """A drive's motion after sequence number `since`, oldest first: one a millisecond for 8 s."""
        return [MotionSample.from_json(v) for v in self.request("trace", slave=slave, since=since)["result"]]

    def statistics(self) -> SegmentStatistics:
        return SegmentStatistics.from_json(self.request("statistics")["result"])


@contextlib.contextmanager
def cut(client: SegmentClient, after: int) -> Iterator[int]:
    """The cable is cut for as long as the block runs; yields the stamp of the cut."""
    stamp = client.cut_cable(after)
    try:
        yield stamp
    finally:
        client.heal_cable()

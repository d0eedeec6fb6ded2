"""Keeps the motors' absolute positions in a file: a segment that starts again finds them as they were left.

The file: a header that names the devices, one double a slave (counts, unwrapped; 0 for what is no drive), a
checksum; little-endian. It is written in one piece and so outlives SIGKILL of the segment at any moment. A PC
that loses its power may lose the last of it: then positions and checkpoint differ, as with a replaced motor.
The segment's process writes it, so that a cell without hardware can be started again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from fieldstack_ethercat.segment.catalogue import Device
from fieldstack_ethercat.segment.chain import Chain

KEEP_EVERY_S = 0.02


class Encoders:
    """Keeps the positions of one chain's motors in a file. Raises OSError if that cannot be opened."""

    def __init__(self, chain: Chain, file: Path) -> None:
        self._chain = chain
        self._drives = [n for n, device in enumerate(chain.devices) if device is Device.DRIVE]
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._header = _header(chain.devices)
        self._kept = b""

    def restore(self) -> str:
        """Puts the motors where they were; what is wrong with the file, empty: nothing."""
        content = os.pread(self._file, 1 << 20, 0)
        if not content:
            return ""
        positions = _decode(content, self._header, len(self._chain))
        if positions is None:
            return "the encoders' file is damaged or of other devices: all motors stand at 0"
        for slave in self._drives:
            self._chain.place_motor(slave, positions[slave])
        return ""

    def keep(self) -> None:
        """Writes the positions down if they have changed."""
        positions = [0.0] * len(self._chain)
        for slave in self._drives:
            positions[slave] = float(self._chain.device(slave).position)
        content = _sealed(self._header + struct.pack(f"<{len(positions)}d", *positions))
        if content != self._kept:
            os.pwrite(self._file, content, 0)
            self._kept = content

    def close(self) -> None:
        """Writes the last positions down, on the disk, and lets go of the file."""
        try:
            self.keep()
            os.fsync(self._file)
        finally:
            os.close(self._file)


def _header(devices: Sequence[Device]) -> bytes:
    return f"fieldstack-encoders/1 {','.join(device.value.name for device in devices)}\n".encode()


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def _decode(content: bytes, header: bytes, slaves: int) -> tuple[float, ...] | None:
    size = len(header) + 8 * slaves
    if not content.startswith(header) or content[: size + 4] != _sealed(content[:size]):
        return None
    return struct.unpack_from(f"<{slaves}d", content, len(header))

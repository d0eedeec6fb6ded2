"""The virtual motors stand where they stood when the segment ended, however it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.encoders import Encoders

DEVICES = parse_devices("drive*2,dio")
STOOD = (-3_388_295.25, 2.0**33 + 0.5)


def kept(file: Path) -> None:
    chain = Chain(DEVICES)
    encoders = Encoders(chain, file)
    assert encoders.restore() == ""
    for slave, counts in enumerate(STOOD):
        chain.place_motor(slave, counts)
    encoders.close()


def found(file: Path, devices: str = "drive*2,dio") -> tuple[str, list[float]]:
    chain = Chain(parse_devices(devices))
    encoders = Encoders(chain, file)
    said = encoders.restore()
    positions = [chain.report.truth(slave).position for slave in range(2)]
    encoders.close()
    return said, positions


def test_motors_stand_where_they_stood(tmp_path: Path) -> None:
    kept(tmp_path / "encoders")
    assert found(tmp_path / "encoders") == ("", list(STOOD))
    assert found(tmp_path / "encoders") == ("", list(STOOD))


def test_the_drive_tells_its_position_in_32_bits() -> None:
    chain = Chain(DEVICES)
    chain.place_motor(1, 2.0**31 + 7)
    assert chain.device(1).position_actual == -(2**31) + 7


@pytest.mark.parametrize("damage", [b"", b"fieldstack-encoders/1 drive,drive,dio\n", b"x" * 200])
def test_a_damaged_file_is_told(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "encoders"
    kept(file)
    content = file.read_bytes()
    file.write_bytes(damage + content[len(damage) + 1 :])
    said, positions = found(file)
    assert "damaged" in said
    assert positions == [0.0, 0.0]


def test_another_chain_starts_at_zero(tmp_path: Path) -> None:
    kept(tmp_path / "encoders")
    said, positions = found(tmp_path / "encoders", "drive*3")
    assert "of other devices" in said
    assert positions == [0.0, 0.0]


def test_they_outlive_a_kill(tmp_path: Path) -> None:
    """In a process that is killed while it writes all the time."""
    program = f"""
from pathlib import Path
from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.encoders import Encoders
chain = Chain(parse_devices("drive*2,dio"))
encoders = Encoders(chain, Path({str(tmp_path / "encoders")!r}))
counts = 0.0
while True:
    counts += 1.0
    chain.place_motor(0, counts)
    chain.place_motor(1, counts)
    encoders.keep()
    if counts == 2000.0:
        print("going", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    said, positions = found(tmp_path / "encoders")
    assert said == ""
    assert positions[0] == positions[1] >= 2000.0

"""The control socket and the segment's process: answers, refusals, clean ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_ethercat.segment.catalogue import Device, parse_devices
from fieldstack_ethercat.segment.client import SegmentClient, cut
from fieldstack_ethercat.segment.description.defects import Defect, ObjectFault
from fieldstack_ethercat.segment.description.errors import (
    CommandError,
    DeviceListError,
    SegmentGoneError,
    SegmentStartError,
    VethError,
)
from fieldstack_ethercat.segment.veth import create_veth, delete_veth, veth_pair
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("drive,dio") as running:
        yield running


def ask(segment: RunningSegment, line: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(segment.socket))
        connection.sendall(line)
        answer: dict[str, object] = json.loads(connection.makefile("rb").readline())
        return answer


def test_every_order_is_acknowledged_with_a_stamp(segment: RunningSegment) -> None:
    client = segment.client
    orders = [
        client.cut_cable(1),
        client.heal_cable(),
        client.power_off(1),
        client.power_on(1),
        client.power_off_all(),
        client.power_on_all(),
        client.slow_state(0, 0, ms=0),
        client.refuse_state(0, 4, 0x1E, count=0),
        client.mailbox_late(0, ms=5, count=0),
        client.mailbox_silent(0, count=0),
        client.lose_fmmus(0),
        client.lose_sync_manager(0, 2),
        client.close_sync_manager(0, 3),
        client.lose_address(0),
        client.drop_frames(0),
        client.delay_frames(0, us=1),
        client.corrupt_frames(0),
        client.drive_fault(0, 0x8611),
        client.set_inputs(1, 0xFF),
        client.clock_drift(0, -25),
        client.dc_lose(0),
        client.dc_follow(0),
        client.ignore(0, Defect.QUICK_STOP | Defect.AL, 250),
        client.ignore(0, Defect(0)),
        client.object_fault(0, 0x605A, ObjectFault.ABSENT),
        client.set_safe_image(1, b"\x01"),
        client.set_safe_image(1, b""),
    ]
    assert orders == sorted(orders)
    assert [t.device for t in client.truth()] == ["drive", "dio"]
    assert client.truth()[0].error_code == 0x8611


def test_a_cut_heals_by_itself_at_the_end_of_its_block(segment: RunningSegment) -> None:
    with cut(segment.client, 1):
        assert [t.reached for t in segment.client.truth()] == [True, False]
    assert [t.reached for t in segment.client.truth()] == [True, True]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"not json\n", "not a line of JSON"),
        (b"[]\n", 'a text "command"'),
        (b'{"command": "explode"}\n', "known are"),
        (b'{"command": "power_off"}\n', "slave is None, must be an integer from 0 to 1"),
        (b'{"command": "power_off", "slave": 2}\n', "from 0 to 1"),
        (b'{"command": "power_off", "slave": true}\n', "slave is True"),
        (b'{"command": "heal_cable", "now": 1}\n', "takes no now"),
        (b'{"command": "drive_fault", "slave": 1, "code": 5}\n', "ENODEV"),
        (b'{"command": "dc_lose", "slave": 1}\n', "only drives have a distributed clock"),
        (b'{"command": "clock_drift", "slave": 0, "ppm": 1001}\n', "from -1000 to 1000"),
        (b'{"command": "set_safe_image", "slave": 1, "image": "0102"}\n', "as long as"),
        (b'{"command": "set_safe_image", "slave": 1, "image": "xy"}\n', "hexadecimal"),
    ],
)
def test_what_is_wrong_is_said_and_the_segment_goes_on(
    segment: RunningSegment, line: bytes, text: str
) -> None:
    answer = ask(segment, line)
    assert answer["ok"] is False
    assert text in str(answer["error"])
    assert segment.client.heal_cable() > 0


def test_an_unknown_command_lists_all_known_ones(segment: RunningSegment) -> None:
    with pytest.raises(CommandError) as caught:
        segment.client.request("nothing")
    for name in ("cut_cable", "power_on", "truth", "statistics", "set_safe_image"):
        assert name in str(caught.value)


def test_many_commands_in_one_packet_are_answered_in_order(segment: RunningSegment) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(segment.socket))
        connection.sendall(b'{"command": "heal_cable"}\n{"command": "x"}\n{"command": "statist')
        connection.sendall(b'ics"}\n')
        reader = connection.makefile("rb")
        answers = [json.loads(reader.readline()) for _ in range(3)]
    assert [a["ok"] for a in answers] == [True, False, True]
    assert answers[2]["result"]["slaves"] == 2


def test_a_client_that_goes_away_harms_nobody(segment: RunningSegment) -> None:
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(segment.socket))
            connection.sendall(b'{"command": "trace", "slave": 0}\n{"command"')
    assert segment.client.heal_cable() > 0


def test_the_socket_is_closed_to_others(segment: RunningSegment) -> None:
    assert segment.socket.stat().st_mode & 0o777 == 0o660


def test_no_segment_says_so(tmp_path: Path) -> None:
    with pytest.raises(SegmentGoneError, match="start one"):
        SegmentClient(tmp_path / "none.sock")


def keep_asking(client: SegmentClient) -> None:
    while True:
        client.heal_cable()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    with running_segment("dio") as running:
        os.kill(running.pid, number)
        with pytest.raises(SegmentGoneError):
            keep_asking(running.client)
    assert not running.socket.exists()
    assert not Path("/sys/class/net", running.interface).exists()


def test_it_ends_with_the_process_that_holds_its_lifeline(tmp_path: Path) -> None:
    names = f"fmx{os.getpid()}", f"fsx{os.getpid()}"
    command = [sys.executable, "-m", "fieldstack_ethercat.segment", "--interface", names[1], "--lifeline"]
    command += ["--devices", "dio", "--socket", str(tmp_path / "s")]
    with veth_pair(*names):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()


def test_it_ends_with_an_error_when_its_interface_goes() -> None:
    with running_segment("dio") as running:
        delete_veth(running.interface)
        with pytest.raises(SegmentGoneError):
            keep_asking(running.client)


def run_segment(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fieldstack_ethercat.segment", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_missing_interface_is_named(tmp_path: Path) -> None:
    done = run_segment("--interface", "fsnone0", "--socket", str(tmp_path / "s"))
    assert done.returncode == 1
    assert "no interface 'fsnone0'" in done.stderr


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "no device"), ("servo", "dio, drive"), ("drive*", "NAME"), ("dio*65", "64 slaves")],
)
def test_device_lists_that_make_no_sense(text: str, reason: str) -> None:
    with pytest.raises(DeviceListError, match=reason):
        parse_devices(text)
    done = run_segment("--interface", "lo", "--socket", "unused", "--devices", text)
    assert done.returncode == 1
    assert reason in done.stderr


def test_device_lists() -> None:
    assert parse_devices("drive*2, dio") == (Device.DRIVE, Device.DRIVE, Device.DIO)


def test_a_veth_that_cannot_be_made_says_why() -> None:
    with pytest.raises(VethError, match="1 to 15 characters"):
        create_veth("a-name-that-is-too-long", "b")
    with pytest.raises(VethError, match="ip link add lo"):
        create_veth("lo", f"fsx{os.getpid()}")
    assert not Path(f"/sys/class/net/fsx{os.getpid()}").exists()


def test_a_segment_that_does_not_start_says_why() -> None:
    with pytest.raises(SegmentStartError, match="no device"), running_segment("servo"):
        pass

"""What systemd hears: readiness once, progress at its pace, a status when it changes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_rt.sd_notify import Notifier

MS = 1_000_000


class Listener:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Lines of the messages that came since the last call."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(8192).decode().split("\n")
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    name = f"@fieldstack-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    made = Listener(name)
    yield made
    made.close()


@pytest.fixture
def notifier(listener: Listener) -> Iterator[Notifier]:
    made = Notifier(listener.address, watchdog_ns=400 * MS)
    yield made
    made.close()


def test_the_first_progress_says_that_the_process_is_at_work(listener: Listener, notifier: Notifier) -> None:
    notifier.progress(0, "cycling")
    assert listener.heard() == ["READY=1", "WATCHDOG=1", "STATUS=cycling"]


def test_progress_feeds_the_watchdog_four_times_in_its_time(listener: Listener, notifier: Notifier) -> None:
    notifier.progress(0)
    listener.heard()
    for ms in range(1, 400):
        notifier.progress(ms * MS)
    assert listener.heard() == ["WATCHDOG=1"] * 3


def test_without_progress_nothing_is_fed(listener: Listener, notifier: Notifier) -> None:
    assert listener.heard() == []
    notifier.stopping("axes come to a stand")
    assert listener.heard() == ["STOPPING=1", "STATUS=axes come to a stand"]


def test_a_status_is_told_when_it_changes(listener: Listener, notifier: Notifier) -> None:
    for ms, text in enumerate(("RECOVERY: RT is checked", "RECOVERY: RT is checked", "OPERATIONAL: well")):
        notifier.progress(ms * MS, text)
    told = [line for line in listener.heard() if line.startswith("STATUS=")]
    assert told == ["STATUS=RECOVERY: RT is checked", "STATUS=OPERATIONAL: well"]


def test_last_words_are_one_line(listener: Listener, notifier: Notifier) -> None:
    notifier.failed("bus.yaml: two things are wrong\n  cycle_time_us: missing\n")
    assert listener.heard() == ["STATUS=failed: bus.yaml: two things are wrong; cycle_time_us: missing"]


def test_a_long_text_is_cut_between_characters(listener: Listener, notifier: Notifier) -> None:
    notifier.failed("ä" * 2000)
    (line,) = listener.heard()
    assert line == "STATUS=failed: " + "ä" * 512


def test_half_a_character_is_told_as_a_question_mark(listener: Listener, notifier: Notifier) -> None:
    notifier.failed("asked by M\udcfcller")
    assert listener.heard() == ["STATUS=failed: asked by M?ller"]


def test_what_systemd_did_not_take_comes_again(tmp_path: Path) -> None:
    address = str(tmp_path / "later")
    notifier = Notifier(address, watchdog_ns=400 * MS)
    notifier.progress(0, "cycling")
    listener = Listener(address)
    notifier.progress(1 * MS, "cycling")
    assert listener.heard() == ["READY=1", "WATCHDOG=1", "STATUS=cycling"]
    listener.close()
    notifier.close()


def test_a_full_socket_does_not_block(listener: Listener, notifier: Notifier) -> None:
    for number in range(10_000):  # far more than the kernel queues
        notifier.progress(number * 400 * MS, f"pass {number}")
    assert "READY=1" in listener.heard()


def test_the_environment_is_read_once_and_not_handed_on(listener: Listener) -> None:
    environment = {
        "NOTIFY_SOCKET": listener.address,
        "WATCHDOG_USEC": "400000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    notifier = Notifier.from_environment(environment)
    assert environment == {"PATH": "/bin"}
    notifier.progress(0)
    assert listener.heard() == ["READY=1", "WATCHDOG=1"]
    notifier.close()


def test_a_watchdog_of_another_process_is_not_fed(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}
    notifier = Notifier.from_environment(environment)
    notifier.progress(0)
    assert listener.heard() == ["READY=1"]
    notifier.close()


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier.from_environment({})
    notifier.progress(0, "cycling")
    notifier.stopping()
    notifier.failed("no bus")
    notifier.close()

"""The key of the dashboard, and the terminal that is put back after it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time

PROGRAM = """
import signal, sys, time
from fieldstack.cli.screen.pressed_keys import PressedKeys
if sys.argv[1] == "own":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
with PressedKeys(end_on_sigterm=sys.argv[1] == "end") as keys:
    print("ready", flush=True)
    if sys.argv[1] == "raise":
        raise ValueError("on purpose")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if "s" in keys.new():
            print("pressed", flush=True)
        time.sleep(0.01)
"""


def _terminal(how: str) -> tuple[subprocess.Popen[bytes], int, int]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: _foreground(slave),  # noqa: PLW1509 - it alone makes a controlling terminal
    )
    return process, master, slave


def _foreground(slave: int) -> None:
    os.setsid()
    os.close(os.open(os.ttyname(slave), os.O_RDWR))


def _read_until(master: int, word: bytes) -> bytes:
    seen, until = b"", time.monotonic() + 20
    while word not in seen:
        assert time.monotonic() < until, seen
        seen += os.read(master, 1024)
    return seen


def _mode(slave: int) -> int:
    return int(termios.tcgetattr(slave)[3])


def test_a_press_is_seen_without_enter_and_the_terminal_is_put_back_by_sigterm() -> None:
    for how, code in (("end", 128 + signal.SIGTERM), ("own", 3)):
        process, master, slave = _terminal(how)
        before = termios.ICANON | termios.ECHO
        _read_until(master, b"ready")
        assert not _mode(slave) & before
        os.write(master, b"s")
        _read_until(master, b"pressed")
        process.terminate()
        assert process.wait(20) == code
        assert _mode(slave) & before == before
        os.close(master)
        os.close(slave)


def test_it_is_put_back_by_an_exception() -> None:
    process, master, slave = _terminal("raise")
    _read_until(master, b"ready")
    assert process.wait(20) == 1
    assert _mode(slave) & termios.ICANON
    os.close(master)
    os.close(slave)


NO_TERMINAL = """
from fieldstack.cli.screen.pressed_keys import PressedKeys
with PressedKeys() as keys:
    print(repr(keys.new()))
"""


def test_without_a_terminal_no_key_ever_comes() -> None:
    line = [sys.executable, "-c", NO_TERMINAL]
    done = subprocess.run(line, input="s", capture_output=True, text=True, check=True)
    assert done.stdout == "''\n"

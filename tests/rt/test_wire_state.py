"""What is heard of a master on an interface: its frames, and no other interface's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fieldstack_ethercat.segment.veth import veth_pair
from fieldstack_rt.wire_state import MASTER_FRAMES, master_frames

_FLOOD = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
    wire.bind((sys.argv[1], 0x88A4))
    print("sends", flush=True)
    while True:
        wire.send(bytes(12) + b"\\x88\\xa4" + bytes(46))
"""


@pytest.fixture
def busy() -> Iterator[str]:
    """An interface on which frames arrive without a pause."""
    with veth_pair(f"wa{os.getpid()}", f"wb{os.getpid()}"):
        command = [sys.executable, "-c", _FLOOD, f"wb{os.getpid()}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
            assert sender.stdout is not None
            assert sender.stdout.readline()
            yield f"wa{os.getpid()}"
            sender.kill()


class _HeldUp(socket.socket):
    """As where another process gets the CPU between the two calls."""

    def bind(self, address: Any, /) -> None:
        time.sleep(0.02)
        super().bind(address)


def test_frames_of_another_interface_are_nobodys_here(busy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that is not bound yet hears them all: a cell beside another one would not start."""
    monkeypatch.setattr(socket, "socket", _HeldUp)
    with veth_pair(f"wc{os.getpid()}", f"wd{os.getpid()}"):
        assert master_frames(f"wc{os.getpid()}", 0.1) == 0
    assert master_frames(busy) == MASTER_FRAMES

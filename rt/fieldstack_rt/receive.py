"""Sets how SOEM waits for a frame. RTExecutive does it once the interface is open.

SOEM asks its socket for a time-out of 1 µs, but the kernel counts that in timer ticks: with an answer
missing, each look sleeps for up to 4 ms (HZ=250), and with one under way it pays for a sleep and a wake-up.
A socket that never blocks makes SOEM look again and again until its own time-out: exact, and quicker on an
isolated CPU.
"""

from __future__ import annotations

import os
import socket
import stat

AF_PACKET = 17


def _packet_sockets(interface: str) -> list[int]:
    """This process's packet sockets that are bound to the interface."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as copy:
                if copy.family == AF_PACKET and copy.getsockname()[0] == interface:
                    found.append(number)
        except OSError:
            continue  # a descriptor of the listing itself
    return found


def spin(interface: str) -> list[int]:
    """Makes SOEM's socket on that interface non-blocking; returns the descriptors that were found."""
    sockets = _packet_sockets(interface)
    for number in sockets:
        os.set_blocking(number, False)
    return sockets

"""Looks at a network interface before SOEM opens it, so that each way to fail has its own clear error.

`Line` calls it when a bus is opened, and people get the error.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from pathlib import Path

from fieldstack_base.proc.status import effective_capabilities, read_status
from fieldstack_ethercat.bus.errors import InterfaceError

NAME_BYTES = 15
"""IFNAMSIZ less the closing zero; SOEM copies the name without looking."""
SIOCGIFFLAGS = 0x8913
IFF_UP, IFF_RUNNING = 0x1, 0x40
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
POLL_NS = 20_000_000


def check(name: str, link_timeout_ns: int = 0) -> None:
    """InterfaceError unless this process can send EtherCAT frames on `name` and its link is up.

    A link that is down is waited for up to `link_timeout_ns`: after power-up it takes a few seconds.
    """
    if not 1 <= len(name.encode()) <= NAME_BYTES:
        raise InterfaceError(name, "not a name of an interface", f"Names have 1 to {NAME_BYTES} characters.")
    names = [known for _, known in socket.if_nameindex()]
    if name not in names:
        raise InterfaceError(name, "does not exist", f"Interfaces here: {', '.join(sorted(names))}.")
    _check_capabilities(name)
    _wait_for_link(name, time.monotonic_ns() + link_timeout_ns)


def _check_capabilities(name: str) -> None:
    effective = effective_capabilities(read_status(Path("/proc/self")))
    missing = [
        label
        for bit, label in ((CAP_NET_RAW, "cap_net_raw"), (CAP_NET_ADMIN, "cap_net_admin"))
        if not effective >> bit & 1
    ]
    if missing:
        python = Path(sys.executable).resolve()
        raise InterfaceError(
            name,
            f"not permitted: this process lacks {' and '.join(missing)}",
            f"Grant both with: sudo setcap cap_net_raw,cap_net_admin+ep {python} - or run as root, "
            "or under the systemd units, which grant them.",
        )


def _wait_for_link(name: str, deadline_ns: int) -> None:
    while True:
        flags = _flags(name)
        if flags & IFF_UP and flags & IFF_RUNNING:
            return
        if time.monotonic_ns() >= deadline_ns:
            break
        time.sleep(POLL_NS / 1e9)
    if not flags & IFF_UP:
        raise InterfaceError(name, "is switched off", f"Switch it on with: sudo ip link set {name} up")
    raise InterfaceError(name, "has no link", "Check the cable, and that the first slave has power.")


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", name.encode(), 0)
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFFLAGS, request)
        except OSError as error:
            raise InterfaceError(
                name, f"went away: {error.strerror}", "Plug the adapter in again."
            ) from error
    return int(struct.unpack("16sH14x", answer)[1])

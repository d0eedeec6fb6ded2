"""Makes the veth pair between a master and the segment with iproute2's `ip`.

`fieldstack up` without hardware, `fieldstack segment` and the tests use it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fieldstack_ethercat.segment.description.errors import VethError

NAME_LIMIT = 15
"""Characters the kernel allows in an interface's name (IFNAMSIZ less its terminator)."""
_PERMISSION = "run as root, grant CAP_NET_ADMIN, or use a user and network namespace"


def _ip(*arguments: str, netns: str | None = None) -> None:
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    command = ["ip", *(["-netns", netns] if netns else []), *arguments]
    if program is None:
        raise VethError(" ".join(command), "ip not found", "install the package iproute2")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise VethError(" ".join(command), done.stderr.strip(), _PERMISSION)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= NAME_LIMIT or "/" in name or any(c.isspace() for c in name):
        advice = f"choose a name of 1 to {NAME_LIMIT} characters without '/' and spaces"
        raise VethError(f"ip link add {name}", "bad interface name", advice)


def create_veth(master: str, segment: str, netns: str | None = None) -> None:
    """Makes a veth pair and sets both ends up, without addresses, so that only EtherCAT frames appear on it.

    `netns`: put the segment's end into this network namespace. Raises VethError; then nothing is left behind.
    """
    _check_name(master)
    _check_name(segment)
    _ip("link", "add", master, "type", "veth", "peer", "name", segment)
    try:
        if netns:
            _ip("link", "set", segment, "netns", netns)
        for name, space in ((master, None), (segment, netns)):
            _ip("link", "set", "dev", name, "addrgenmode", "none", netns=space)
            _ip("link", "set", "dev", name, "arp", "off", netns=space)
            _ip("link", "set", "dev", name, "up", netns=space)
    except VethError:
        delete_veth(master)
        raise


def delete_veth(master: str) -> None:
    """Removes the pair that `master` is an end of, if it exists."""
    if Path("/sys/class/net", master).exists():
        _ip("link", "delete", "dev", master)


@contextmanager
def veth_pair(master: str, segment: str) -> Iterator[None]:
    """A veth pair for as long as the block runs."""
    create_veth(master, segment)
    try:
        yield
    finally:
        delete_veth(master)

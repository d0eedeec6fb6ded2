"""Where the health server listens: always on a socket of the runtime folder, and on a TCP port if it is free.

The server writes which port it is, or why there is none, to the endpoint file; snapshots show it.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replace_file
from fieldstack_base.instance import Instance


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`problem` says why there is no `url`; empty: there is one."""

    pid: int
    socket: str
    url: str = ""
    problem: str = ""

    def write(self, path: Path) -> None:
        """Atomic. Raises OSError."""
        replace_file(path, json.dumps(asdict(self)) + "\n")


def endpoint_file(instance: Instance) -> Path:
    return instance.runtime_dir / "health-endpoint.json"


def socket_file(instance: Instance) -> Path:
    return instance.runtime_dir / "health.sock"


def read_endpoint(instance: Instance) -> Endpoint | None:
    """The endpoint that the server wrote last; None if there is none that can be read."""
    try:
        return Endpoint(**bounded_json.loads(endpoint_file(instance).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class PortTakenError(OSError):
    """The TCP port cannot be used; the text says why and what to change."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        why = {
            errno.EADDRINUSE: "another program, perhaps another cell, listens there",
            errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }.get(error.errno or 0, error.strerror or str(error))
        super().__init__(
            error.errno,
            f"health server: {host} port {port} cannot be had: {why}. "
            "Give the cell another health.port in cell.yaml, or 0 for a free one",
        )


def listen_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises:
        PortTakenError: the port, or the address, cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(64)
    except OSError as error:
        made.close()
        raise PortTakenError(host, port, error) from error
    made.setblocking(False)
    return made


def listen_unix(path: Path) -> socket.socket:
    """A listening socket for the cell's user and group. Raises OSError."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        made.bind(str(path))
    finally:
        os.umask(before)
    made.listen(64)
    made.setblocking(False)
    return made


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""The channel `journal`: writes to systemd's journal by its native protocol, else to standard error.

`make` builds it. One datagram is one entry. Fields go as `NAME=value`; a value of several lines goes as the
name, its length (64 bits, little-endian) and its bytes. An entry too long for a datagram goes as a sealed
memory file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from array import array
from pathlib import Path

from fieldstack.alerts.model.alert import Alert, AlertState
from fieldstack.alerts.model.settings import JournalSection
from fieldstack.events.kinds import Severity

PRIORITY = {Severity.INFO: 6, Severity.WARNING: 4, Severity.ERROR: 3, Severity.CRITICAL: 2}
"""Of syslog."""
_RESOLVED_PRIORITY = 5
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class JournalChannel:
    """Never refuses: where the journal does not take an entry, standard error does."""

    timeout_s = 1.0

    def __init__(self, section: JournalSection) -> None:
        self._path = section.socket

    def deliver(self, alert: Alert) -> str:
        try:
            send(self._path, entry(fields_of(alert)), self.timeout_s)
        except OSError as error:
            print(f"ALERT {alert.title}", file=sys.stderr, flush=True)
            return f"no journal ({error.strerror or error}): written to standard error"
        return "the journal took it"


def fields_of(alert: Alert) -> dict[str, str]:
    resolved = alert.state is AlertState.RESOLVED
    return {
        "MESSAGE": alert.title,
        "PRIORITY": str(_RESOLVED_PRIORITY if resolved else PRIORITY[alert.severity]),
        "SYSLOG_IDENTIFIER": "fieldstack-alert",
        "FIELDSTACK_INSTANCE": alert.instance,
        "FIELDSTACK_ALERT_ID": alert.id,
        "FIELDSTACK_INCIDENT": alert.incident,
        "FIELDSTACK_STATE": alert.state,
        "FIELDSTACK_RULE": alert.rule,
        "FIELDSTACK_SUBJECT": alert.subject,
        "FIELDSTACK_COUNT": str(alert.count),
        "FIELDSTACK_EVENT": str(alert.event),
    }


def entry(fields: dict[str, str]) -> bytes:
    """One journal entry."""
    parts = list[bytes]()
    for name, value in fields.items():
        content = value.encode()
        if b"\n" in content:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n")
        else:
            parts.append(name.encode() + b"=" + content + b"\n")
    return b"".join(parts)


def send(path: Path, content: bytes, timeout_s: float) -> None:
    """Raises OSError: nobody took it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.settimeout(timeout_s)
        try:
            link.sendto(content, str(path))
        except OSError as error:
            if error.errno not in {errno.EMSGSIZE, errno.ENOBUFS}:
                raise
            _send_file(link, path, content)


def _send_file(link: socket.socket, path: Path, content: bytes) -> None:
    handle = os.memfd_create("fieldstack-alert", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(handle, content)
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [handle]))
        link.sendmsg([], [rights], 0, str(path))
    finally:
        os.close(handle)

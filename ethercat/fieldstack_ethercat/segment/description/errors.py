"""Defines what can go wrong with a virtual segment. The cell and the command line show the texts."""

from __future__ import annotations

import errno
import os


class SegmentError(Exception):
    """Base of all errors of the virtual segment."""


class DeviceListError(SegmentError):
    """A device list that cannot be read. Fields: `text`, `reason`."""

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason
        super().__init__(f"device list {text!r}: {reason}")


class NativeError(SegmentError):
    """A call of the native part failed. Fields: `what`, `errno`."""

    def __init__(self, what: str, code: int, advice: str = "") -> None:
        self.what = what
        self.errno = abs(code)
        reason = os.strerror(self.errno)
        super().__init__(
            f"{what}: {reason} ({errno.errorcode.get(self.errno, code)}){advice and '; ' + advice}"
        )


class VethError(SegmentError):
    """A veth pair could not be made or changed. Fields: `command`, `output`."""

    def __init__(self, command: str, output: str, advice: str) -> None:
        self.command = command
        self.output = output
        super().__init__(f"`{command}` failed: {output or 'no output'}; {advice}")


class CommandError(SegmentError):
    """A control command was refused; the text is the segment's own."""


class SegmentGoneError(SegmentError):
    """The segment does not answer on its control socket. Field: `path`."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"no segment answers on {path} ({reason}): start one, or check the path")


class SegmentStartError(SegmentError):
    """The segment's process did not become ready. Field: `output`, what it wrote to stderr."""

    def __init__(self, reason: str, output: str) -> None:
        self.output = output
        super().__init__(f"the segment did not start: {reason}{output and '; it said: ' + output.strip()}")


def check(what: str, result: int, advice: str = "") -> int:
    """`result` of a native call, which is negative for an error; then raises NativeError."""
    if result < 0:
        raise NativeError(what, result, advice)
    return result

"""Runs a segment's process: bench, mailbox applications and control socket under one selector.

`python -m fieldstack_ethercat.segment` is this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import Device
from fieldstack_ethercat.segment.commands import run_command
from fieldstack_ethercat.segment.control import SegmentControl
from fieldstack_ethercat.segment.description.errors import SegmentError
from fieldstack_ethercat.segment.encoders import KEEP_EVERY_S, Encoders

DEFAULT_STEP_NS = 250_000


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """How to run a segment. `cpu` -1: not pinned; `priority` 0: plain scheduling; `watchdog_ms` 0.

    Off by default.
    """

    interface: str
    devices: tuple[Device, ...]
    socket: Path
    cpu: int = 0
    priority: int = 85
    watchdog_ms: float = 100.0
    step_ns: int = DEFAULT_STEP_NS
    lifeline: bool = False
    """End also when stdin ends: then the process at its other end is gone."""
    encoders: Path | None = None
    """File that keeps where the motors stand; None: they start at 0."""


def run_segment(options: SegmentOptions) -> None:
    """Runs until SIGINT or SIGTERM. Says on stdout, as one line of JSON, that it is ready.

    Raises SegmentError for what keeps it from starting, or ended it (the interface went away).
    """
    bench = SegmentBench(options.devices, options.watchdog_ms)
    ifindex = _interface_index(options.interface)
    with selectors.DefaultSelector() as selector, _stop_signals() as stop:
        control = SegmentControl(options.socket, selector, lambda request: run_command(bench, request))
        encoders = _encoders(options, bench)
        try:
            bench.chain.start(ifindex, options.cpu, options.priority, options.step_ns)
            try:
                _warn_about_missing(options, bench)
                _say_ready(options)
                if options.lifeline:
                    selector.register(sys.stdin, selectors.EVENT_READ, None)
                _serve(selector, bench, stop, encoders)
            finally:
                bench.chain.stop()
        finally:
            control.close()
            if encoders is not None:
                encoders.close()


def _encoders(options: SegmentOptions, bench: SegmentBench) -> Encoders | None:
    if options.encoders is None:
        return None
    encoders = Encoders(bench.chain, options.encoders)
    if wrong := encoders.restore():
        print(f"segment: warning: {options.encoders}: {wrong}", file=sys.stderr, flush=True)
    return encoders


def _serve(
    selector: selectors.BaseSelector, bench: SegmentBench, stop: socket.socket, encoders: Encoders | None
) -> None:
    selector.register(bench.chain.mailboxes.fd, selectors.EVENT_READ, bench.serve_mailboxes)
    selector.register(stop, selectors.EVENT_READ, None)
    selector.register(bench.chain.failed_fd, selectors.EVENT_READ, None)
    while True:
        waits = [s for s in (KEEP_EVERY_S if encoders else None, bench.serve_late()) if s is not None]
        for key, _ in selector.select(min(waits, default=None)):
            if key.data is None:
                return
            key.data()
        if encoders is not None:
            encoders.keep()


def _interface_index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise SegmentError(f"there is no interface {name!r}: make the veth pair first") from None


@contextlib.contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """A socket that becomes readable on SIGINT or SIGTERM.

    The wake-up descriptor is written in the signal's own handler: a Python handler would run too late for
    a signal that comes just before the selector begins to wait.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        reader.close()
        writer.close()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """A handler must be there for the wake-up descriptor to be written."""


def _warn_about_missing(options: SegmentOptions, bench: SegmentBench) -> None:
    statistics = bench.chain.report.statistics()
    missing = []
    if options.priority and not statistics.fifo:
        missing.append(f"no real-time priority {options.priority} (grant CAP_SYS_NICE)")
    if options.cpu >= 0 and not statistics.pinned:
        missing.append(f"not pinned to CPU {options.cpu}")
    if options.priority and not statistics.locked:
        missing.append("memory not locked (grant CAP_IPC_LOCK or raise RLIMIT_MEMLOCK)")
    for text in missing:
        print(f"segment: warning: {text}; frames may be answered late", file=sys.stderr, flush=True)


def _say_ready(options: SegmentOptions) -> None:
    ready = {
        "event": "ready",
        "pid": os.getpid(),
        "interface": options.interface,
        "slaves": len(options.devices),
        "socket": str(options.socket),
    }
    print(json.dumps(ready), flush=True)

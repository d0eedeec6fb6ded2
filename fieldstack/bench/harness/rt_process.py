"""Runs an RT process with all that it needs from others: shared memory, a Non-RT beat, a motion permit.

`bench cycle` uses it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from fieldstack.bench.harness.errors import ProgramError
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, EventCode, TornRecordError
from fieldstack_rt.datastore.layout import Stop

BEAT_S = 0.02
OP_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0


class Overseer:
    """Plays the Non-RT process for RT: beats, permits motion, empties the event rings."""

    def __init__(self, store: DataStore) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overseer", daemon=True)
        self.op_epoch = 0
        """The RT epoch that last reported the whole bus in OP."""

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            self._store.beat_nonrt()
            self._start_axes()
            self._store.cycle_events.drain()
            if any(event.code == EventCode.BUS_OP for event in self._store.host_events.drain()):
                self.op_epoch = self._store.rt_epoch

    def _start_axes(self) -> None:
        try:
            status = self._store.rt_status()
        except TornRecordError:
            return
        if status.stop_reason == Stop.START:
            self._store.order_start(status, int(status.axes_await_start))

    def start(self) -> Overseer:
        self._store.motion_permit = True
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@contextlib.contextmanager
def shared_memory(instance: Instance) -> Iterator[tuple[DataStore, Overseer]]:
    """Yields the instance's store and its overseer for as long as the block runs; leaves nothing behind."""
    instance.prepare()
    store = DataStore.create(instance)
    overseer = Overseer(store).start()
    try:
        yield store, overseer
    finally:
        overseer.stop()
        store.unlink()


@contextlib.contextmanager
def rt_process(command: list[str], overseer: Overseer, epoch_before: int, log: Path) -> Iterator[int]:
    """Runs RT; yields its pid when the bus is in OP, and stops it in order.

    Raises:
        ProgramError: it did not reach OP, or did not end well.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _await_op(process, overseer, epoch_before, log)
        yield process.pid
    except BaseException:
        _end(process)
        raise
    code = _end(process)
    if code != 0:
        raise ProgramError("the RT process", f"it ended with code {code}", _text(log))


def rt_command(
    instance: Instance, interface: str, *, cpu: int, priority: int, load: str = "", load_slice_ms: int = 0
) -> list[str]:
    """The command line of an RT process on the instance's plan."""
    command = [sys.executable, "-m", "fieldstack_rt", "run", "--instance", instance.name]
    command += ["--interface", interface, "--cpu", str(cpu), "--priority", str(priority)]
    if load:
        command += ["--load", load, "--load-slice-ms", str(load_slice_ms)]
    return command


def _await_op(process: subprocess.Popen[bytes], overseer: Overseer, epoch_before: int, log: Path) -> None:
    until = time.monotonic() + OP_TIMEOUT_S
    while overseer.op_epoch <= epoch_before:
        if process.poll() is not None:
            raise ProgramError("the RT process", f"it ended with code {process.returncode}", _text(log))
        if time.monotonic() > until:
            raise ProgramError("the RT process", f"no OP within {OP_TIMEOUT_S:g} s", _text(log))
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")

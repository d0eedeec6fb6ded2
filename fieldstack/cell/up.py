"""`fieldstack up`: runs a cell without systemd.

It starts the cell, keeps Non-RT, segment and health server running, and ends everything in order. The Non-RT
process starts and restarts RT and Core. In production systemd has the part of this module.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from fieldstack.cell import children
from fieldstack.cell.children import Child
from fieldstack.cell.instances import end_command, folder_of, is_managed, running_pids
from fieldstack.cell.launch import Launch
from fieldstack.cell.takedown import take_down
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.status.up_record import AlreadyRunningError, UpRecord, hold, holder_in, read_record
from fieldstack_ethercat.segment.veth import create_veth, delete_veth
from fieldstack_rt.datastore import memory as shared_memory

SEGMENT_READY_S = 10.0
SELDOM_NS = 60_000_000_000
SHORT_LIVES_LIMIT = 5
"""After this many ends in a row, each soon after the start of the process, `up` gives up."""
LOG_LINES = 15

Say = Callable[[str], None]


class UpError(Exception):
    """The cell cannot be started or kept running; the text has the last lines of the process's log."""


class CellRun:
    """One cell from start to end. Use it as a context manager: leaving it takes everything down."""

    def __init__(self, launch: Launch, say: Say) -> None:
        self._launch = launch
        self._say = say
        self._stack = ExitStack()
        logs = launch.instance.runtime_dir
        self._nonrt = Child("Non-RT", launch.nonrt_command(), logs / "nonrt.log")
        cable = launch.cable
        self._segment = (
            Child("segment", launch.segment_command(cable), logs / "segment.log") if cable else None
        )
        health = launch.health_command()
        self._health = Child("health server", health, logs / "fieldstack-health.log") if health else None
        self._given_up = ""
        """Why the cell ends although nobody asked for it."""
        self.ended = False
        """The Non-RT process went down by request: the cell is to end."""

    def __enter__(self) -> CellRun:
        """Raises AlreadyRunningError, StoreBusyError, VethError, UpError, OSError; then nothing runs."""
        instance = self._launch.instance
        self._refuse_another()
        with ExitStack() as stack:
            instance.prepare()
            stack.enter_context(hold(instance))
            self._clear_leftovers()
            shared_memory.check_free(instance.shm_name)
            children.become_subreaper()
            stack.callback(self._stop)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not self._given_up:
            self._given_up = f"it failed: {type(error).__name__}: {error}"
        self._stack.close()

    def tick(self, now_ns: int) -> None:
        """One pass of supervision: reap, record, restart. Raises UpError if a process never starts well."""
        for ended in children.reap():
            for child in self._children():
                if ended.pid == child.pid:
                    self._note_end(child, ended, now_ns)
        for child in self._children():
            if child.due(now_ns) and not self.ended:
                self._start_again(child, now_ns)

    def _start_again(self, child: Child, now_ns: int) -> None:
        """Starts a program. A lack of memory or processes may be short, so a failure counts like any other
        end."""
        try:
            child.start(now_ns)
        except OSError as error:
            child.not_started(now_ns)
            self._say(f"{child.name} could not be started: {error}")
            self._give_up_if_failing(child, f"could not be started: {error}", now_ns)
        else:
            self._say(f"{child.name} started again, pid {child.pid}")
            self._update_record()

    def wait(self, timeout_s: float) -> None:
        """Waits until the next `tick` is due: for this long at most, or until a child has ended."""
        ends = select.poll()
        for child in self._children():
            if child.pidfd >= 0:
                ends.register(child.pidfd, select.POLLIN)
        ends.poll(timeout_s * 1000)

    def _children(self) -> Iterator[Child]:
        if self._segment is not None:
            yield self._segment
        yield self._nonrt
        if self._health is not None:
            yield self._health

    def _note_end(self, child: Child, ended: children.Exit, now_ns: int) -> None:
        child.ended(ended, now_ns)
        if child is self._nonrt and ended.code == 0:
            self.ended = True
            self._say("Non-RT ended by request: the cell goes down")
            return
        self._say(f"{child.name} (pid {ended.pid}) {ended.text()}")
        self._give_up_if_failing(child, ended.text(), now_ns)

    def _give_up_if_failing(self, child: Child, how: str, now_ns: int) -> None:
        if child.short_lives < SHORT_LIVES_LIMIT:
            return
        if child is self._health:  # the cell goes on without; it is tried again for ever, but seldom
            child.restart_at_ns = now_ns + SELDOM_NS
            return
        why = f"{child.name} ended {child.short_lives} times soon after its start, last it {how}"
        self._given_up = f"{why}; see {child.log}"
        raise UpError(f"{why}. The end of {child.log}:\n{tail(child)}")

    def _refuse_another(self) -> None:
        """Checks, before anything changes, that what runs was recorded by an `up` that is gone: only that is
        ours to end."""
        instance = self._launch.instance
        alive, record = running_pids(instance), read_record(instance)
        if not alive:
            return
        known = (record.nonrt_pid, record.segment_pid) if record is not None else ()
        strangers = {alive[name] for name in ("nonrt", "segment") if name in alive}.difference(known)
        pids = list(alive.values())
        if record is None or strangers or is_managed(instance, pids):
            holder = holder_in(folder_of(instance, pids))
            raise AlreadyRunningError(instance, holder or pids[0], end_command(instance, pids))

    def _clear_leftovers(self) -> None:
        if read_record(self._launch.instance) is not None:
            self._say("an earlier `up` left parts of this cell running: taking them down first")
            take_down(self._launch.instance, self._say)

    def _start(self) -> None:
        self._launch.write_files(self._settings())
        now_ns = time.monotonic_ns()
        cable = self._launch.cable
        if self._segment is not None and cable is not None:
            delete_veth(cable.master)
            create_veth(cable.master, cable.segment)
            self._write_record()
            self._launch.instance.segment_socket.unlink(missing_ok=True)
            self._segment.start(now_ns)
            self._write_record()
            self._await_segment(self._segment)
            self._say(f"segment of {self._launch.cell.config.segment.devices} on {cable.segment}")
        self._nonrt.start(time.monotonic_ns())
        self._write_record()
        self._say(f"Non-RT started, pid {self._nonrt.pid}")
        if self._health is not None:
            self._health.start(time.monotonic_ns())
            self._write_record()

    def _settings(self) -> NonRtSettings:
        """A person has started this cell, so its axes move, unless its file says otherwise."""
        asked = self._launch.cell.config.auto_start is not False
        return replace(self._launch.settings(), auto_start=asked)

    def _await_segment(self, segment: Child) -> None:
        until = time.monotonic() + SEGMENT_READY_S
        while not self._launch.instance.segment_socket.exists():
            if any(ended.pid == segment.pid for ended in children.reap()):
                segment.pid = 0
                raise UpError(f"the segment did not start. The end of {segment.log}:\n{tail(segment)}")
            if time.monotonic() > until:
                raise UpError(f"the segment is not ready after {SEGMENT_READY_S:g} s; see {segment.log}")
            time.sleep(0.02)

    def _record(self) -> UpRecord:
        return UpRecord(
            written_ns=time.monotonic_ns(),
            segment_pid=self._segment.pid if self._segment else 0,
            nonrt_pid=self._nonrt.pid,
            veth=self._launch.cable.master if self._launch.cable else "",
            health_pid=self._health.pid if self._health else 0,
        )

    def _write_record(self) -> None:
        self._record().write(self._launch.instance)

    def _update_record(self) -> None:
        """A failure here does not stop a running cell."""
        try:
            self._write_record()
        except OSError as error:
            self._say(f"its pid is not written down: {error}")

    def _stop(self) -> None:
        """Ends everything in order, in every state of the cell, also if no file can be written any more."""
        take_down(self._launch.instance, self._say, self._record())
        for child in self._children():
            child.close()
        if self._given_up:
            from fieldstack.alerts import last_resort

            self._say(
                last_resort.send_directly(self._launch.instance, last_resort.up_gave_up(self._given_up))
            )


def tail(child: Child) -> str:
    """The last lines of a child's log, indented."""
    with contextlib.suppress(OSError):
        lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join("    " + line for line in lines[-LOG_LINES:]) or "    (empty)"
    return "    (no log)"

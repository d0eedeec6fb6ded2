"""Non-RT is made step by step; whatever step fails, all that was opened by then is closed again."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import posix_ipc
import pytest

from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.core_control import CoreControl
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.monitor.history_keeper import HistoryKeeper
from fieldstack.nonrt import opening, parts
from fieldstack.nonrt.loop import Loop
from fieldstack.nonrt.parts import make_parts
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.process.local import LocalProcessManager
from fieldstack_base.control.server import ControlServer
from fieldstack_base.instance import Instance
from fieldstack_rt.guard import Guard
from tests.ha.script import SHIPPED

STEPS = (
    (opening, "claim"),
    (opening, "_start_guard"),
    (opening, "make_process_manager"),
    (parts, "_make_history"),
    (parts, "open_alerts"),
    (parts, "_make_modules"),
    (parts, "_make_core_control"),
    (parts, "_make_checkpoint"),
    (parts, "restore_checkpoint"),
    (parts, "_make_monitor"),
    (parts, "_adopt_processes"),
    (parts, "_open_control"),
    (parts, "restore_state"),
    (parts, "make_probes"),
    (parts, "_make_supervision"),
    (parts, "_make_commands"),
    (parts, "_make_loop"),
)
"""In the order in which they are taken."""


CLOSED = (
    (EventLog, "close"),
    (Guard, "stop"),
    (LocalProcessManager, "close"),
    (HistoryKeeper, "close"),
    (Modules, "close"),
    (CoreControl, "close"),
    (StateCheckpoint, "close"),
    (ControlServer, "close"),
    (Loop, "close"),
)
"""In the order in which they are opened."""


class StepError(Exception):
    """A step that fails."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NonRtSettings]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance(f"t-parts-{os.getpid()}")
    command = (sys.executable, "-c", "raise SystemExit(1)")
    yield NonRtSettings(instance.name, str(SHIPPED), command, guard_cpu=-1, guard_priority=0)
    for name in (instance.shm_name, instance.spool_name):
        with contextlib.suppress(posix_ipc.ExistentialError):
            posix_ipc.unlink_shared_memory(name)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """What is closed, in order."""
    found: list[type] = []

    def note(kind: type, method: str) -> None:
        close = getattr(kind, method)

        def noted(self: object) -> object:
            found.append(kind)
            return close(self)

        monkeypatch.setattr(kind, method, noted)

    for kind, method in CLOSED:
        note(kind, method)
    return found


def make_and_close(settings: NonRtSettings) -> None:
    with ExitStack() as closing:
        make_parts(settings, closing)


def threads() -> int:
    """Those of the C code as well."""
    return len(os.listdir("/proc/self/task"))


def ends_with(count: int) -> bool:
    """Whether so many threads are left: one that was joined goes a moment later."""
    until = time.monotonic() + 10
    while threads() != count and time.monotonic() < until:
        time.sleep(0.01)
    return threads() == count


def test_what_was_opened_is_closed_in_reverse_order(settings: NonRtSettings, closed: list[type]) -> None:
    before = threads()
    make_and_close(settings)
    assert closed == [kind for kind, _ in reversed(CLOSED)]
    assert ends_with(before)


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_a_step_that_fails_leaves_nothing_open(
    settings: NonRtSettings,
    closed: list[type],
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    step: str,
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise StepError

    before = threads()
    with monkeypatch.context() as patched:
        patched.setattr(module, step, fail)
        with pytest.raises(StepError):
            make_and_close(settings)
    opened = [kind for kind, _ in CLOSED]
    assert closed == [kind for kind in reversed(opened) if kind in closed]
    assert closed[-1] is EventLog
    assert ends_with(before)
    make_and_close(settings)  # the lock of the instance and the socket are free again


def test_each_step_opens_upon_those_before(
    settings: NonRtSettings, closed: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step further has never less to close: STEPS is the order that is taken."""

    def fail(*_args: object, **_named: object) -> None:
        raise StepError

    counts = []
    for module, step in STEPS:
        closed.clear()
        with monkeypatch.context() as patched:
            patched.setattr(module, step, fail)
            with pytest.raises(StepError):
                make_and_close(settings)
        counts.append(len(closed))
    assert counts == sorted(counts)
    assert counts[-1] == len(CLOSED) - 1

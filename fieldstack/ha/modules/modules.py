"""Modules of the Non-RT process: parts that can fail, and be restarted, alone while the rest goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.units import NS_PER_MS

CONFIRM_TIMEOUT_NS = 5000 * NS_PER_MS
STOP_TIMEOUT_S = 2.0
MEASURE_NS = 100 * NS_PER_MS
CHECK_INTERVAL_NS = 200 * NS_PER_MS
GRACE_NS = 15_000 * NS_PER_MS
"""The first start of a module may take so long before it counts as dead: a busy machine loads it slowly, and
it is at work only after its first round."""
STARTING = "it is being started"
SETTLED_NS = 300 * NS_PER_MS
"""A module that has lived for so long after its restart counts as restarted."""


class Module(Protocol):
    """Nothing here blocks, but `close`. `starts` counts its starts."""

    name: str
    starts: int

    def start(self) -> None:
        """Begin, or begin again; what is left of the last start ends."""

    def trouble(self) -> str:
        """Why it is not at work; empty: it is."""

    def tick(self) -> None:
        """Called in each pass."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ExternalProcess:
    """A module's process now. `pid` 0: none runs; `trouble`: why it is not at work, empty: it is."""

    pid: int
    trouble: str = ""


class ExternalModule:
    """A module that is a process of its own, which outlives this one: who started the cell keeps it running.

    Non-RT watches it, and kills one that is to be restarted. `find_process` is asked a few times a second.
    """

    def __init__(self, name: str, find_process: Callable[[], ExternalProcess]) -> None:
        self.name = name
        self.starts = 0
        self._find_process = find_process
        self._found = ExternalProcess(0, STARTING)
        self._asked_ns = self._begun_ns = 0
        self._seen = False

    def start(self) -> None:
        self.starts += 1
        self._begun_ns = self._begun_ns or time.monotonic_ns()
        if self.starts > 1 and (pid := self._find_process().pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # one that hangs would not hear of less
            self._asked_ns = 0

    def tick(self) -> None: ...

    def trouble(self) -> str:
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns >= CHECK_INTERVAL_NS:
            self._asked_ns, self._found = now_ns, self._find_process()
            self._seen |= bool(self._found.pid)
        early = not self._seen and now_ns - self._begun_ns < GRACE_NS
        return STARTING if self._found.trouble and early else self._found.trouble

    def close(self) -> None:
        """It goes on, to tell that this process does not."""


class ThreadPart(Protocol):
    """What a thread module is made of: it works from its making until `close`."""

    def trouble(self) -> str: ...

    def close(self) -> None: ...


class ThreadModule:
    """A module that is threads of this process. `make` may take its time: it runs in a thread."""

    def __init__(self, name: str, make: Callable[[], ThreadPart]) -> None:
        self.name = name
        self.starts = 0
        self.part: ThreadPart | None = None
        self._make = make
        self._maker: threading.Thread | None = None
        self._refused = ""

    def start(self) -> None:
        self.starts += 1
        self._maker = threading.Thread(target=self._begin, args=(self.part,), name=f"start-{self.name}")
        self.part = None
        self._maker.daemon = True
        self._maker.start()

    def _begin(self, before: ThreadPart | None) -> None:
        try:
            if before is not None:
                _close_within(before, STOP_TIMEOUT_S)
            self.part = self._make()
            self._refused = ""
        except Exception as error:
            self._refused = f"could not be started: {error!r}"

    def trouble(self) -> str:
        part = self.part
        if part is not None:
            return part.trouble()
        return self._refused or STARTING

    def tick(self) -> None: ...

    def close(self) -> None:
        if self._maker is not None:
            self._maker.join(STOP_TIMEOUT_S)
        if self.part is not None:
            self.part.close()


def _close_within(part: ThreadPart, timeout_s: float) -> None:
    """A part that hangs is left behind: its threads are daemons, and nobody calls it any more."""
    closing = threading.Thread(target=part.close, name="close-part", daemon=True)
    closing.start()
    closing.join(timeout_s)


class Modules:
    """All modules of one Non-RT process: the probe of MODULE_DEAD and the actuator of RESTART_MODULE."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._modules = {f"module:{module.name}": module for module in modules}
        self._checked_ns = self._first_ns = 0
        self._last: tuple[Measure, ...] = ()
        self.started = False

    def start(self) -> None:
        self.started = True
        for module in self._modules.values():
            module.start()

    def tick(self) -> None:
        """Each has its turn; then raises what the first raised whose turn failed."""
        failed: list[Exception] = []
        for module in self._modules.values() if self.started else ():
            try:
                module.tick()
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _trouble(self, module: Module) -> str:
        """A module that cannot even say how it does is not at work."""
        try:
            return module.trouble()
        except Exception as error:
            return f"how it does cannot be told: {type(error).__name__}: {error}"

    def measures(self, now_ns: int) -> Iterable[Measure]:
        if not self.started:
            return ()
        self._first_ns = self._first_ns or now_ns
        if not self._last or now_ns - self._checked_ns >= MEASURE_NS:
            self._checked_ns, self._last = now_ns, tuple(self._measure(now_ns))
        return self._last

    def _measure(self, now_ns: int) -> Iterator[Measure]:
        early = now_ns - self._first_ns < GRACE_NS
        for subject, module in self._modules.items():
            trouble = self._trouble(module)
            dead = trouble and not (early and module.starts == 1 and trouble == STARTING)
            yield Measure(FactKind.MODULE_DEAD, subject, float(bool(dead)), trouble)

    def execute(self, action: Action) -> ExecutionResult:
        module = self._modules.get(action.subject)
        if module is None:
            known = ", ".join(self._modules) or "none"
            return Outcome(False, f"there is no {action.subject} (there are: {known})")
        module.start()
        well_ns = 0

        def poll(now_ns: int) -> Outcome | str:
            nonlocal well_ns
            if trouble := self._trouble(module):
                well_ns = 0
                return trouble
            well_ns = well_ns or now_ns
            if now_ns - well_ns < SETTLED_NS:
                return "it has just begun"
            return Outcome(True, f"at work, start {module.starts}")

        return PendingReadback(poll, CONFIRM_TIMEOUT_NS, action.subject)

    def describe(self) -> dict[str, Any]:
        """For `status`."""
        return {
            subject: {"starts": module.starts, "trouble": self._trouble(module)}
            for subject, module in self._modules.items()
        }

    def close(self) -> None:
        for module in self._modules.values():
            module.close()

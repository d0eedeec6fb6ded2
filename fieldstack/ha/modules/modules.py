"""All modules of one Non-RT process: the probe of MODULE_DEAD and the actuator of RESTART_MODULE.

`Supervision` gives them their turn in each pass; `nonrt` starts them once the cell moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack.ha.modules.module import GRACE_NS, STARTING, Module
from fieldstack_base.units import NS_PER_MS

CONFIRM_TIMEOUT_NS = 5000 * NS_PER_MS
MEASURE_NS = 100 * NS_PER_MS
SETTLED_NS = 300 * NS_PER_MS
"""A module that has run for this long after its restart counts as restarted."""


class Modules:
    """Made of modules by name: `module:NAME` is a module's subject."""

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
        """Calls each module, then raises the first error."""
        failed: list[Exception] = []
        for module in self._modules.values() if self.started else ():
            try:
                module.tick()
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _trouble(self, module: Module) -> str:
        """A module that cannot report its own state does not work."""
        try:
            return module.trouble()
        except Exception as error:
            return f"its state cannot be read: {type(error).__name__}: {error}"

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

"""Runs the scripts of many slaves side by side, within a bounded time a pass. `Recovery` uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.script import AT_ONCE, Script

BUDGET_NS = 5_000_000
"""No script is carried on later than this after a pass began; one step lasts 2 ms a frame that gets lost."""
LONGEST_NAP_NS = 1_000_000
"""What is due so soon is waited for within the pass, as mailboxes answer within a millisecond or two."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Ended(Generic[S]):
    """A script that has ended: which slave's, what it was for, when, and what it failed with, if it did."""

    position: int
    step: S
    at_ns: int
    error: BusError | None = None


@dataclass(slots=True)
class _Work(Generic[S]):
    step: S
    script: Script[None]
    until_ns: int = AT_ONCE
    begun: bool = False


class ScriptRunner(Generic[S]):
    """At most one script a slave. Not thread-safe."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._work: dict[int, _Work[S]] = {}

    @property
    def busy(self) -> frozenset[int]:
        """Positions of the slaves whose scripts have not ended."""
        return frozenset(self._work)

    def busy_with(self, step: S) -> frozenset[int]:
        """Of these, those whose scripts are for that."""
        return frozenset(position for position, work in self._work.items() if work.step == step)

    def begin(self, position: int, step: S, script: Script[None]) -> None:
        """From the next pass on, in place of a script that the slave may have."""
        self.cancel(position)
        self._work[position] = _Work(step, script)

    def cancel(self, position: int) -> None:
        work = self._work.pop(position, None)
        if work is not None:
            work.script.close()

    def run_pass(self) -> list[Ended[S]]:
        """One pass. Who has waited longest comes first; what finds no time is first in the next pass."""
        ended: list[Ended[S]] = []
        now_ns = self._clock()
        end_ns = now_ns + BUDGET_NS
        while self._work and now_ns < end_ns:
            position, work = min(self._work.items(), key=lambda item: item[1].until_ns)
            nap_ns = work.until_ns - now_ns
            if nap_ns > LONGEST_NAP_NS or work.until_ns > end_ns:
                break
            if nap_ns > 0:
                time.sleep(nap_ns / 1e9)
            if (one := self._step(position, work, self._clock())) is not None:
                ended.append(one)
            now_ns = self._clock()
        return ended

    def _step(self, position: int, work: _Work[S], now_ns: int) -> Ended[S] | None:
        try:
            until_ns = work.script.send(now_ns) if work.begun else next(work.script)
        except StopIteration:
            del self._work[position]
            return Ended(position, work.step, now_ns)
        except BusError as error:
            del self._work[position]
            return Ended(position, work.step, now_ns, error)
        except Exception as error:
            del self._work[position]
            failed = BusError(f"position {position}: an attempt to bring it back failed: {error!r}")
            failed.__cause__ = error
            return Ended(position, work.step, now_ns, failed)
        work.begun, work.until_ns = True, max(until_ns, now_ns)
        return None

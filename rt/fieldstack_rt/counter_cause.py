"""Finds why the working counter is wrong although every slave says that it is in OP. Housekeeping uses it.

It checks one slave per call, now and then, while all is well, and a few per call while the counter is wrong.
When it has seen the same loss twice in a row, it reports the loss, and the slave is set up again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.master import exchange_participation
from fieldstack_ethercat.bus.master.slave_matching import nonessential_slaves
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.al import AlState

ROUND_NS = 1_000_000_000
"""All slaves are checked once in this time, or one in each call if they are many."""
SUSPICIOUS_NS = 20_000_000
"""For this long the AL states are given time to explain a wrong counter. Soon after, the slave's watchdog
hides the cause; a cause found before that is reported."""
LOOKS = 8
"""How many slaves are checked per call while the counter is wrong: three frames each, and none after a lost
one."""


class Links(Protocol):
    """What of `Line` is needed here."""

    def link(self, position: int) -> SlaveLink: ...
    def count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A slave that does not exchange all its data, and why."""

    position: int
    why: str


class CounterCause:
    """Checks at most a few slaves per call, from the housekeeping thread."""

    def __init__(self, line: Links, plan: BusPlan) -> None:
        self._line, self._plan, self._nonessential = line, plan, nonessential_slaves(plan)
        self._next_ns = 0
        self._at = -1
        self._seen: Finding | None = None
        self._cleared: set[int] = set()
        """The slaves checked since the counter went wrong, and found as planned."""
        self.text = ""
        """Why the counter is wrong, if no single slave is the cause; empty: it is right, or the cause is
        reported."""

    def run(
        self, now_ns: int, status: Any, states: Sequence[SlaveState], busy: Collection[int]
    ) -> Finding | None:
        """Makes one check. `busy`: slaves that are being recovered or restarted."""
        wrong_ns = int(status.bad_wkc_row) * self._plan.cycle_time_ns
        takes_part = {s.position for s in states if s.state is AlState.OP and not s.error}
        aside = self._nonessential - takes_part  # their published loss explains their own share only
        whole = len(takes_part | aside) == len(states) and aside.issuperset(busy)
        wrong = bool(states) and wrong_ns >= SUSPICIOUS_NS
        if not (wrong and whole):
            self.text = ""
            self._cleared.clear()
        if now_ns < self._next_ns and not wrong and self._seen is None:
            return None
        self._next_ns = now_ns + ROUND_NS // max(1, len(states))
        positions = [s.position for s in states if s.state is AlState.OP and s.position not in busy]
        found = self._look_at(positions, LOOKS if wrong else 1)
        if wrong and whole and found is None:
            self.text = self._conclusion(status, wrong_ns, len(takes_part))
        return found

    def _look_at(self, positions: Sequence[int], most: int) -> Finding | None:
        """Checks slaves in turn until one is suspicious or does not answer. A suspicious one is checked
        first."""
        before = self._seen if self._seen is not None and self._seen.position in positions else None
        self._seen = None
        order = [before.position] if before else self._turn(positions)[:most]
        for position in order:
            causes = exchange_participation.faults_of(self._line.link(position))
            if causes:
                self._seen = Finding(position, "it takes no part in the exchange: " + ", ".join(causes))
                return self._seen if self._seen == before else None
            if causes is None:
                return None
            self._at = position
            self._cleared.add(position)
        return None

    def _turn(self, positions: Sequence[int]) -> list[int]:
        return [*(at for at in positions if at > self._at), *(at for at in positions if at <= self._at)]

    def _conclusion(self, status: Any, wrong_ns: int, taking_part: int) -> str:
        counter, expected = int(status.wkc), int(status.expected_wkc)
        every = "every slave" if taking_part == len(self._plan.slaves) else "every other slave"
        since = f"for {wrong_ns / 1e9:.1f} s, though {every} is in OP"
        if len(self._cleared) < taking_part:
            return f"working counter {counter} of {expected} {since}: the slaves are looked at one by one"
        if counter < 0:
            return (
                f"no process data frame comes back in time {since} and answers other frames: check the "
                f"cable; raise receive_timeout_us ({self._plan.receive_timeout_us})"
            )
        if (count := self._line.count()) > len(self._plan.slaves):
            return (
                f"working counter {counter} of {expected} {since}: {count} slaves answer, and "
                f"{len(self._plan.slaves)} are configured: unplug the others, then `fieldstack reset`"
            )
        return (
            f"working counter {counter} of {expected} {since} and set up as planned: outputs are not taken. "
            "Power the slaves off and on, then `fieldstack reset`"
        )

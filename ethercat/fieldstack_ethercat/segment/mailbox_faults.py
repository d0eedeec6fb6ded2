"""Makes slaves' mailboxes answer late, or not at all. `commands.py` orders it, the bench obeys."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

UNLIMITED = 0xFFFFFFFF


@dataclass(slots=True)
class _Fault:
    late_ns: int = 0
    late: int = 0
    silent: int = 0


@dataclass(slots=True)
class MailboxFaults:
    """What the mailbox of each slave of a segment does with the requests that come; times in ns."""

    _of: dict[int, _Fault] = field(default_factory=dict)
    _waiting: deque[tuple[int, int, int, bytes]] = field(default_factory=deque)

    def late(self, slave: int, by_ns: int, count: int) -> None:
        """The answers to the next `count` requests come `by_ns` late (UNLIMITED: all)."""
        fault = self._of.setdefault(slave, _Fault())
        fault.late_ns, fault.late = by_ns, count

    def silent(self, slave: int, count: int) -> None:
        """The next `count` requests are taken and never answered."""
        self._of.setdefault(slave, _Fault()).silent = count

    def swallows(self, slave: int) -> bool:
        """Whether the request that has come gets no answer; counts it."""
        fault = self._of.get(slave)
        if fault is None or not fault.silent:
            return False
        fault.silent = _one_less(fault.silent)
        return True

    def delay_ns(self, slave: int) -> int:
        """How late the answer to the request that has come is to be; counts it."""
        fault = self._of.get(slave)
        if fault is None or not fault.late:
            return 0
        fault.late = _one_less(fault.late)
        return fault.late_ns

    def keep(self, due_ns: int, slave: int, session: int, telegram: bytes) -> None:
        self._waiting.append((due_ns, slave, session, telegram))

    def due(self, now_ns: int) -> list[tuple[int, int, bytes]]:
        """Slave, mailbox session and telegram of the answers whose time has come."""
        found = sorted(item for item in self._waiting if item[0] <= now_ns)
        for item in found:
            self._waiting.remove(item)
        return [item[1:] for item in found]

    @property
    def next_ns(self) -> int:
        """When the next late answer is due; 0: none waits."""
        return min((item[0] for item in self._waiting), default=0)


def _one_less(count: int) -> int:
    return count if count == UNLIMITED else count - 1

"""Reads what `durable_state` has kept, entry by entry.

Entries that cannot be read are named, others are taken. Used by `durable_state`; `restart_counts` shares
its formats.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from fieldstack.ha.checkpoint.durable_v1 import is_version_1, upgraded
from fieldstack.ha.decision.context.decision_state import (
    ActiveRule,
    BudgetUse,
    InterlockCause,
    Key,
    RestartInterlock,
)
from fieldstack.ha.model.actions import Evidence
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction
from fieldstack.ha.policy.in_force.restart_budget import to_keep
from fieldstack.ha.policy.in_force.view import Policy
from fieldstack_base.clock import boot_id

FORMAT = 2
COUNTS_FORMAT = 1
COUNTS, COUNTS_LOST = "counts", "counts_lost"
"""Keys of what `restart_counts` adds to a record that is read: its file's, and why there is nothing of it."""
CLOCK_SET_NS = 1_600_000_000_000_000_000
"""An earlier time (Unix, 2020) comes from a machine whose clock was not set yet."""
Entry = TypeVar("Entry")
Found = TypeVar("Found")
_DAMAGE = (KeyError, ValueError, TypeError, AttributeError)


class RecordReader:
    """One record, read under one policy. `lost`: what could not be read, in words."""

    def __init__(self, policy: Policy, now_ns: int, wall_ns: int) -> None:
        self._policy, self._now_ns, self._wall_ns = policy, now_ns, wall_ns
        self.lost: list[str] = []
        self.interlock = RestartInterlock()

    def of(self, record: dict[str, Any]) -> tuple[list[ActiveRule], list[BudgetUse]]:
        kept = record
        try:
            if is_version_1(record):
                record = upgraded(record, self._policy, FORMAT)
            if record.get("format") != FORMAT:
                raise ValueError(f"format {record.get('format')!r}, this version reads {FORMAT}")
            shift = self._shift(record)
            rules, budgets = list(record["rules"]), list(record["budgets"].items())
        except _DAMAGE as error:
            self.lost.append(f"all of it ({_error_text(error)})")
            return [], self._with_counts(kept, [])
        self.interlock = self._interlock(record.get("standing"), shift)
        active_rules = self._each("rule", rules, self._episode)
        uses = self._each("the budget of", budgets, lambda one: self._budget(one, shift))
        return active_rules, [one for one in self._with_counts(kept, uses) if one.restarts or one.spent]

    def _with_counts(self, record: dict[str, Any], uses: list[BudgetUse]) -> list[BudgetUse]:
        """The newer restarts of the record and of the counts' file. Restarts that cannot be distinguished
        count twice."""
        if COUNTS_LOST in record:
            self.lost.append(f"the counts of restarts ({record[COUNTS_LOST]})")
        if (counts := record.get(COUNTS)) is None:
            return uses
        try:
            if counts.get("format") != COUNTS_FORMAT:
                raise ValueError(f"format {counts.get('format')!r}, this version reads {COUNTS_FORMAT}")
            number, shift = int(counts["counted"]), self._shift(counts)
            entries = list(counts["budgets"].items())
        except _DAMAGE as error:
            self.lost.append(f"the counts of restarts ({_error_text(error)})")
            return uses
        known = record.get("counted")
        if known is not None and number <= known:
            return uses
        others = self._each("the count of", entries, lambda one: self._budget(one, shift))
        return others if known is not None else self._together(uses, others)

    def _together(self, uses: list[BudgetUse], others: list[BudgetUse]) -> list[BudgetUse]:
        """A version without a file of counts wrote the record, so nothing says which of the two is newer."""
        found = {one.subject: one for one in uses}
        for one in others:
            before, budget = found.get(one.subject, BudgetUse(one.subject)), self._policy.budget(one.subject)
            times = tuple(sorted({*before.restarts, *one.restarts}))
            kept = to_keep(times, self._now_ns, budget) if budget else ()
            found[one.subject] = replace(before, restarts=kept, spent=before.spent or one.spent)
        return list(found.values())

    def _each(self, what: str, entries: Iterable[Entry], read: Callable[[Entry], Found]) -> list[Found]:
        found: list[Found] = []
        for entry in entries:
            try:
                found.append(read(entry))
            except _DAMAGE as error:
                self.lost.append(f"{what} {_name(entry)} ({_error_text(error)})")
        return found

    def _shift(self, record: dict[str, Any]) -> int:
        """What to add to the record's monotonic times. Across boots only the wall clock can say it."""
        if record["boot"] == boot_id():
            return 0
        wall_ns = int(record["wall_ns"])
        if (
            wall_ns < CLOCK_SET_NS <= self._wall_ns
        ):  # taken down before the clock was set: all of it counts as of now
            wall_ns = self._wall_ns
        age = max(0, self._wall_ns - wall_ns)
        return self._now_ns - age - int(record["t_ns"])

    def _interlock(self, kept: Any, shift: int) -> RestartInterlock:
        """An entry that an older version does not have is no wait; an entry that cannot be read waits for a
        person."""
        if kept is None:
            return RestartInterlock()
        try:
            causes = tuple(
                InterlockCause(Key(str(rule), str(subject)), str(text), int(within_ns), *map(int, axes))
                for rule, subject, text, within_ns, *axes in kept["causes"]
            )
            began_ns = int(kept["since_ns"])
            since_ns = min(began_ns + shift, self._now_ns) if causes and began_ns else 0
            return RestartInterlock(since_ns, causes)
        except _DAMAGE as error:
            self.lost.append(f"why the axes wait for a start ({_error_text(error)})")
            return RestartInterlock()

    def _episode(self, one: dict[str, Any]) -> ActiveRule:
        return ActiveRule(
            Key(str(one["rule"]), str(one["subject"])),
            self._now_ns,
            str(one["cause"]),
            ClearWhen(one["clear"]),
            _evidence(one["evidence"]),
            effects=frozenset(PolicyAction(word) for word in one["effects"]),
            override_percent=int(one["override_percent"]),
            groups=tuple(str(group) for group in one["groups"]),
            hold=Hold(one["hold"]) if one["hold"] else None,
        )

    def _budget(self, entry: tuple[str, dict[str, Any]], shift: int) -> BudgetUse:
        subject, use = entry
        budget = self._policy.budget(subject)
        # A clock that was set back must not make a restart of the past one of the future.
        times = [min(int(at) + shift, self._now_ns) for at in use["restarts"]]
        kept = to_keep(tuple(times), self._now_ns, budget) if budget else ()
        return BudgetUse(str(subject), kept, str(use.get("spent", "")))


def _evidence(kept: list[Any] | None) -> Evidence | None:
    """For people only: a rule waits without it as well."""
    if kept is None:
        return None
    with contextlib.suppress(*_DAMAGE):
        fact, subject, value, threshold, window_ms = kept
        return Evidence(FactKind(fact), str(subject), float(value), threshold, int(window_ms))
    return None


def _name(entry: object) -> str:
    if isinstance(entry, tuple):
        return str(entry[0])
    return str(entry.get("rule", "?")) if isinstance(entry, dict) else "?"


def _error_text(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)

"""Which task gets which axis group: a pure function of what each task wants and which groups are in order.

The assignment calls it. The more urgent task goes first, among equals the one that has waited longer. A task
that has a group keeps it until it gives it back. A more urgent one makes it give way: at its next step, or at
once (EMERGENCY_STOP).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

EMERGENCY_RANK = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What one task wants. `rank`: 0 is the most urgent; `queued`: smaller has waited longer.

    `groups`: where it can run, best first, or where it is bound; none: it needs no group.
    `holds`: it runs, with this group ("" without one); None: it does not run.
    """

    task: str
    rank: int
    queued: int
    groups: tuple[str, ...] = ()
    holds: str | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """`starts`: tasks to begin, with their groups ("" none). Others give way at a step, or halt at once."""

    starts: tuple[tuple[str, str], ...] = ()
    give_way: tuple[str, ...] = ()
    halt: tuple[str, ...] = ()
    last_run: tuple[str, ...] = ()
    """An equal waits for their group: no further run follows the present one."""


def schedule(claims: Iterable[Claim], available: Collection[str]) -> Decisions:
    """What to begin and what to interrupt now. `available`: groups whose axes can move."""
    ordered = sorted(claims, key=lambda claim: (claim.rank, claim.queued))
    holders = {claim.holds: claim for claim in ordered if claim.holds}
    free = {group for group in available if group not in holders}
    promised: set[str] = set()
    starts: list[tuple[str, str]] = []
    give_way: list[str] = []
    halt: list[str] = []
    last_run: list[str] = []
    for claim in ordered:
        if claim.holds is not None:
            continue
        if not claim.groups:
            starts.append((claim.task, ""))
            continue
        group = next((name for name in claim.groups if name in free), None)
        if group is not None:
            free.discard(group)
            starts.append((claim.task, group))
            continue
        victim = _victim(claim, holders, available, promised)
        if victim is not None and victim.holds:
            promised.add(victim.holds)
            (halt if claim.rank == EMERGENCY_RANK else give_way).append(victim.task)
        elif victim is None:
            equals = (holders[name] for name in claim.groups if name in holders)
            last_run += [holder.task for holder in equals if holder.rank == claim.rank]
    return Decisions(tuple(starts), tuple(give_way), tuple(halt), tuple(last_run))


def _victim(
    claim: Claim, holders: dict[str, Claim], available: Collection[str], promised: set[str]
) -> Claim | None:
    """The least urgent task that has a group of this claim, is less urgent, and makes way for no other."""
    found = [
        holders[group]
        for group in claim.groups
        if group in available and group in holders and group not in promised
    ]
    lesser = [holder for holder in found if holder.rank > claim.rank]
    return max(lesser, key=lambda holder: (holder.rank, holder.queued), default=None)

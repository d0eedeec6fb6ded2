"""What of the decision core must outlive its process and the machine's run: budgets and latches.

A record is small (it has its place in shared memory, too): only rules that wait for a person are in it,
and the restarts that still count. Its times are monotonic; across boots the wall clock places them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fieldstack.events.clock import boot_id
from fieldstack.ha.actions import Evidence
from fieldstack.ha.decision_state import BudgetUse, DecisionState, Episode, Key
from fieldstack.ha.durable_v1 import is_version_1, upgraded
from fieldstack.ha.facts import EstopFacts
from fieldstack.ha.measures import FactKind
from fieldstack.ha.policy.view import Policy
from fieldstack.ha.states import HaState
from fieldstack.ha.vocabulary import ClearWhen, Hold, PolicyAction

FORMAT = 2
MAX_TEXT = 160


def outlives(episode: Episode) -> bool:
    """Whether the rule waits for a person, or for ever: it is there again after any restart."""
    return episode.clear is not ClearWhen.GONE or episode.hold is not None


def to_record(state: DecisionState, estop: EstopFacts, now_ns: int, wall_ns: int) -> dict[str, Any]:
    """The part to keep."""
    return {
        "format": FORMAT,
        "boot": boot_id(),
        "t_ns": now_ns,
        "wall_ns": wall_ns,
        "ha": state.ha.name,
        "reason": state.reason[:MAX_TEXT],
        "budgets": {use.subject: _use(use) for use in state.budgets if use.restarts or use.spent},
        "rules": [_rule(one) for one in state.episodes if outlives(one)],
        "estop_on_reset": estop.on_reset,
        "estop_reasons": list(estop.reasons),
    }


def changes_record(before: DecisionState, after: DecisionState) -> bool:
    """Whether the record has to be written again (the latch apart)."""
    return (
        before.ha is not after.ha
        or before.budgets != after.budgets
        or [one for one in before.episodes if outlives(one)]
        != [one for one in after.episodes if outlives(one)]
    )


def _use(use: BudgetUse) -> dict[str, Any]:
    return {"restarts": list(use.restarts)} | ({"spent": use.spent[:MAX_TEXT]} if use.spent else {})


def _rule(one: Episode) -> dict[str, Any]:
    seen = one.evidence
    return {
        "rule": one.key.rule,
        "subject": one.key.subject,
        "cause": one.cause[:MAX_TEXT],
        "clear": one.clear.value,
        "effects": sorted(effect.value for effect in one.effects),
        "hold": one.hold.value if one.hold else None,
        "override_percent": one.override_percent,
        "groups": list(one.groups),
        "evidence": seen and [seen.fact.value, seen.subject, seen.value, seen.threshold, seen.window_ms],
    }


def restore(record: dict[str, Any] | None, policy: Policy, now_ns: int, wall_ns: int) -> DecisionState:
    """The state that a new Non-RT process begins with: budgets and what waits for a person are kept.

    A rule that the policy does not have any more still waits for its person. A cell that went down as asked
    starts without what only its end could clear, and what took it down waits for a person.
    """
    fresh = DecisionState(since_ns=now_ns)
    fresh = replace(
        fresh, rt=replace(fresh.rt, started_ns=now_ns), core=replace(fresh.core, started_ns=now_ns)
    )
    if record is None:
        return fresh
    try:
        if is_version_1(record):
            record = upgraded(record, policy, FORMAT)
        if record.get("format") != FORMAT:
            return fresh
        shift = _shift(record, now_ns, wall_ns)
        kept = list(_episodes(record, now_ns))
        if went_down_by_request(record):
            kept = [_after_the_end(one) for one in kept if one.clear is not ClearWhen.NEVER]
        budgets = tuple(_budgets(record, policy, shift, now_ns))
        return replace(fresh, episodes=tuple(kept), budgets=budgets)
    except (KeyError, ValueError, TypeError, AttributeError):
        return fresh


def _after_the_end(one: Episode) -> Episode:
    """SHUTDOWN is done. In the next life it would be so in the first pass, where no reset can reach it."""
    if PolicyAction.SHUTDOWN not in one.effects:
        return one
    return replace(one, effects=one.effects - {PolicyAction.SHUTDOWN}, hold=one.hold or Hold.RESET)


def _shift(record: dict[str, Any], now_ns: int, wall_ns: int) -> int:
    """What to add to the record's monotonic times: across boots, only the wall clock knows."""
    if record["boot"] == boot_id():
        return 0
    age = max(0, wall_ns - int(record["wall_ns"]))
    return now_ns - age - int(record["t_ns"])


def _episodes(record: dict[str, Any], now_ns: int) -> Iterator[Episode]:
    for one in record["rules"]:
        yield Episode(
            Key(str(one["rule"]), str(one["subject"])),
            now_ns,
            str(one["cause"]),
            ClearWhen(one["clear"]),
            _evidence(one["evidence"]),
            effects=frozenset(PolicyAction(word) for word in one["effects"]),
            override_percent=int(one["override_percent"]),
            groups=tuple(str(group) for group in one["groups"]),
            hold=Hold(one["hold"]) if one["hold"] else None,
        )


def _evidence(kept: list[Any] | None) -> Evidence | None:
    if kept is None:
        return None
    fact, subject, value, threshold, window_ms = kept
    return Evidence(FactKind(fact), str(subject), float(value), threshold, int(window_ms))


def _budgets(record: dict[str, Any], policy: Policy, shift: int, now_ns: int) -> Iterator[BudgetUse]:
    for subject, use in record["budgets"].items():
        budget = policy.budget(subject)
        window_ns = budget.window_ns if budget else 0
        # A clock that was set back must not make a restart of the past one of the future.
        times = [min(int(at) + shift, now_ns) for at in use["restarts"]]
        kept = tuple(at for at in times if now_ns - at < window_ns)
        spent = str(use.get("spent", ""))
        if kept or spent:
            yield BudgetUse(str(subject), kept, spent)


def went_down_by_request(record: dict[str, Any] | None) -> bool:
    """Whether the cell's last life ended as asked, so that this is a start and not a recovery."""
    return record is not None and record.get("ha") == HaState.SHUTDOWN.name


def latched(record: dict[str, Any] | None) -> tuple[int, str]:
    """EMERGENCY_STOP sources that a person had raised, and why: they outlive the machine's run."""
    if record is None:
        return 0, ""
    sources, reasons = record.get("estop_on_reset", 0), record.get("estop_reasons", [])
    if not isinstance(sources, int) or not isinstance(reasons, list):
        return 0, ""
    return sources, "; ".join(str(reason) for reason in reasons)

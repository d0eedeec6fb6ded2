"""A new policy for a decision that is under way: all of it takes effect, or nothing changes. Pure."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision_state import DecisionState, Episode
from fieldstack.ha.policy.errors import PolicyError, Problem
from fieldstack.ha.policy.table import RuleRow
from fieldstack.ha.policy.view import Policy
from fieldstack.ha.unruled import unruled
from fieldstack.ha.vocabulary import ClearWhen


def refit(state: DecisionState, old: Policy, new: Policy, file: str) -> DecisionState:
    """The state that goes on under `new`. What was ordered stays in force until it is cleared; budgets go on
    counting; windows and debounce of rules that have changed begin anew.

    Raises:
        PolicyError: a rule that counts now, and that holds the cell, is not in `new`: nobody could clear it.
    """
    problems = [_problem(one) for one in state.episodes if unruled(one, new) and _holds(one)]
    if problems:
        raise PolicyError(file, tuple(problems))
    episodes = tuple(_follow(one, new) for one in state.episodes if not unruled(one, new))
    keys = {one.key for one in episodes}
    same = {name for name, row in new.table.rows.items() if old.table.get(name) == row}
    return replace(
        state,
        episodes=episodes,
        watches=tuple(one for one in state.watches if one.key.rule in same),
        waiting=tuple(one for one in state.waiting if one.key in keys and one.key.rule in same),
    )


def _holds(one: Episode) -> bool:
    return one.stops or one.hold is not None or one.clear is not ClearWhen.GONE


def _follow(one: Episode, new: Policy) -> Episode:
    """A rule that counts may from now on be cleared in another way, but never more easily than by a person
    if it already waits for one."""
    row: RuleRow | None = new.table.get(one.key.rule)
    if row is None or one.clear is not ClearWhen.GONE:
        return one
    return replace(one, clear=row.clear)


def _problem(one: Episode) -> Problem:
    return Problem(
        "rules",
        "",
        f"rule {one.key.rule} counts now for {one.key.subject} ({one.cause}), and is not in this policy",
        "let its cause go away, reset or acknowledge it, then reload again; or keep the rule",
    )

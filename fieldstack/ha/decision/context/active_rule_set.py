"""The rules that are active while a decision is made, in the order in which they took effect.

The steps of `decide` reach it as `context.rules`, and what rules remember of readings as `context.watches`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fieldstack.ha.decision.context.decision_state import ActiveRule, Key, Watch


class ActiveRuleSet:
    """One record for each rule and subject. `DecisionContext.drop_rule` ends one, with what it waits for."""

    __slots__ = ("_rules",)

    def __init__(self, rules: tuple[ActiveRule, ...]) -> None:
        self._rules = {one.key: one for one in rules}

    def __contains__(self, key: Key) -> bool:
        return key in self._rules

    def __iter__(self) -> Iterator[ActiveRule]:
        return iter(self._rules.values())

    def __getitem__(self, key: Key) -> ActiveRule:
        return self._rules[key]

    def get(self, key: Key) -> ActiveRule | None:
        return self._rules.get(key)

    def keys(self) -> list[Key]:
        return list(self._rules)

    @property
    def last_key(self) -> Key | None:
        """The key of the rule that took effect last."""
        return next(reversed(self._rules), None)

    def activate(self, rule: ActiveRule) -> None:
        """Add a rule that takes effect (again): it is the last one from now on."""
        self._rules.pop(rule.key, None)
        self._rules[rule.key] = rule

    def update(self, rule: ActiveRule) -> None:
        """Replace its record; it keeps its place."""
        if rule.key not in self._rules:
            raise KeyError(rule.key)
        self._rules[rule.key] = rule

    def remove(self, key: Key) -> None:
        self._rules.pop(key, None)

    def records(self) -> tuple[ActiveRule, ...]:
        return tuple(self._rules.values())


class Watches:
    """What rules remember of readings before they are active: debounce and windows."""

    __slots__ = ("_watches",)

    def __init__(self, watches: tuple[Watch, ...]) -> None:
        self._watches = {one.key: one for one in watches}

    def __contains__(self, key: Key) -> bool:
        return key in self._watches

    def get(self, key: Key) -> Watch | None:
        return self._watches.get(key)

    def keys(self) -> list[Key]:
        return list(self._watches)

    def keep(self, watch: Watch) -> None:
        self._watches[watch.key] = watch

    def forget(self, key: Key) -> None:
        self._watches.pop(key, None)

    def records(self) -> tuple[Watch, ...]:
        return tuple(self._watches.values())

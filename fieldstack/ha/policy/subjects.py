"""Which subjects there are, and whether a rule's pattern can mean one of those that its fact is told of."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from fieldstack.ha.model.measures import BESIDE, FACTS, TOLD_BY, FactKind
from fieldstack.ha.model.vocabulary import ProcessName

SUBJECTS = (
    *(name.value for name in ProcessName),
    "cell",
    "host",
    "checkpoint",
    "datastore",
    "slave:*",
    "axis:*",
    "group:*",
    "module:*",
    "task:*",
    "operator:*",
    *sorted((*TOLD_BY, *BESIDE)),
)
"""All that measures are of."""

_PART = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def told_of(fact: FactKind) -> list[str]:
    """The subjects that the fact is told of."""
    return [one for one in SUBJECTS if can_meet(FACTS[fact].subjects, one)]


def can_mean(pattern: str, fact: FactKind) -> bool:
    """Whether there can be a subject that the pattern matches and that the fact is told of."""
    return any(can_meet(pattern, one) for one in told_of(fact))


def can_meet(one: str, other: str) -> bool:
    """Whether there is a text that both patterns match (`*`, `?`, `[...]`; two sets are taken to have a
    character in common)."""
    return _meet(tuple(_PART.findall(one)), tuple(_PART.findall(other)))


@lru_cache(maxsize=4096)
def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return all(part == "*" for part in (*one, *other))
    if "*" in (one[0], other[0]):
        return _meet(one[1:], other) or _meet(one, other[1:])
    return _same(one[0], other[0]) and _meet(one[1:], other[1:])


def _same(one: str, other: str) -> bool:
    both_open = all(part == "?" or len(part) > 1 for part in (one, other))
    return both_open or fnmatchcase(one, other) or fnmatchcase(other, one)

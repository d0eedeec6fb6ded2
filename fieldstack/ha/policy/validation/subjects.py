"""The subjects that exist, and whether a rule's pattern can match one that its fact has.

Used by `rule_checks`.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache

from fieldstack.ha.model.measures import FACTS, FACTS_BY_PROBE, PARTS_WITHOUT_FACTS, FactKind
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
    *sorted((*FACTS_BY_PROBE, *PARTS_WITHOUT_FACTS)),
)
"""All that measures are of."""

_PART = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def possible_subjects(fact: FactKind) -> list[str]:
    """The subjects that the fact is reported for."""
    return [one for one in SUBJECTS if can_overlap(FACTS[fact].subjects, one)]


def can_match(pattern: str, fact: FactKind) -> bool:
    """Whether there can be a subject that the pattern matches and that the fact is reported for."""
    return any(can_overlap(pattern, one) for one in possible_subjects(fact))


def can_overlap(one: str, other: str) -> bool:
    """Whether there is a text that both patterns match (`*`, `?`, `[...]`; two sets are taken to have a
    character in common)."""
    return _overlap(tuple(_PART.findall(one)), tuple(_PART.findall(other)))


@lru_cache(maxsize=4096)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return all(part == "*" for part in (*one, *other))
    if "*" in (one[0], other[0]):
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    return _same(one[0], other[0]) and _overlap(one[1:], other[1:])


def _same(one: str, other: str) -> bool:
    both_open = all(part == "?" or len(part) > 1 for part in (one, other))
    return both_open or fnmatchcase(one, other) or fnmatchcase(other, one)

"""Which metrics a PromQL expression asks for."""

from __future__ import annotations

import re

_STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_SELECTORS = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
_LABEL_LISTS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_WORDS = re.compile(r"(?<![\w:.$])[a-zA-Z_:][\w:]*(?!\w)(?P<call>\s*\()?")
_KEYWORDS = {
    *("and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"),
    *("group_left", "group_right", "inf", "nan", "start", "end"),
}


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics in an expression: its words that are no functions, labels, strings or keywords."""
    bare = _STRINGS.sub('""', expression)
    bare = _SELECTORS.sub(" ", bare)
    bare = _LABEL_LISTS.sub(" ", bare)
    found = {match[0].strip() for match in _WORDS.finditer(bare) if not match["call"]}
    return {word for word in found if word.lower() not in _KEYWORDS}

"""What is refused again and again for the same reason: it is tried less often each time.

After ASK_AT refusals in a row a person is asked. The executor, RefusedMotion and the status record use it.
Time comes in as an argument. What goes on in between counts again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

FIRST_NS = 200_000_000
"""Between the first refusal and the next try; doubled with each one."""
MAX_DELAY_NS = 30_000_000_000
ASK_AT = 5
"""So often a task is tried before it waits for a person."""
FORGET_NS = 60_000_000_000
"""A refusal that concerns no group is reported for this long after it was last seen."""
MOST_SHOWN = 4


@dataclass(slots=True)
class _RefusalRecord:
    why: str
    group: str
    count: int = 0
    again_ns: int = 0


class Refusals:
    """By subject: `axis:NAME` and the like. `group`: the axis group that waits; empty: all do."""

    def __init__(self) -> None:
        self._found: dict[str, _RefusalRecord] = {}

    def note(self, now_ns: int, subject: str, why: str, group: str = "") -> int:
        """It was refused now. Returns how often that was in a row, for this reason."""
        one = self._found.get(subject)
        if one is None or (one.why, one.group) != (why, group):
            one = self._found[subject] = _RefusalRecord(why, group)
        one.count += 1
        one.again_ns = now_ns + min(MAX_DELAY_NS, FIRST_NS << min(one.count - 1, 20))
        return one.count

    def waits(self, now_ns: int, group: str) -> str:
        """Why this group (empty: all of them) waits at present; empty: it does not."""
        for subject, one in self._found.items():
            if one.group == group and now_ns < one.again_ns:
                return (
                    f"refused {one.count} times: {subject} {one.why}; it is tried again, less and less often"
                )
        return ""

    def worked(self, group: str) -> None:
        """Something of this group went on."""
        for subject in [name for name, one in self._found.items() if one.group in ("", group)]:
            del self._found[subject]

    def forget(self, now_ns: int, wanted: Collection[str]) -> None:
        """Drop what nobody wants any more. `wanted`: groups that a task is bound to."""
        for subject, one in list(self._found.items()):
            old = now_ns - one.again_ns > FORGET_NS
            if one.group not in wanted if one.group else old:
                del self._found[subject]

    def summary(self) -> dict[str, tuple[int, str]]:
        """Subjects with how often and why, the most frequent first, not more than MOST_SHOWN."""
        ordered = sorted(self._found.items(), key=lambda item: -item[1].count)
        return {subject: (one.count, one.why) for subject, one in ordered[:MOST_SHOWN]}

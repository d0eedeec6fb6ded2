"""Measures failed tasks, and what is refused again and again, as the Main Core's status record lists them.

Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack_base import bounded_json
from fieldstack_rt._native import ffi

CHECK_INTERVAL_NS = 200_000_000
"""Core reports a failure until a person has handled it, so reading this seldom is enough."""


class Tasks:
    """TASK_FAILED of each task that Core lists as failed, also while Core is away: it stays failed.

    REFUSED_REPEATEDLY of what it tries again and again.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._checked_ns = 0
        self._content = b""
        self._last: tuple[Measure, ...] = ()

    def measures(self, now_ns: int) -> Iterable[Measure]:
        """Raises ValueError, TypeError or AttributeError for a report that nobody can read; it is asked for
        again the next time, for Core may have been about to write another one."""
        core = self._view.core_status
        if core is not None and now_ns - self._checked_ns >= CHECK_INTERVAL_NS:
            content = bytes(ffi.buffer(core.task))[: int(core.task_size)]
            if content != self._content:
                self._content, self._last = b"", tuple(_listed(content))
                self._content = content
            self._checked_ns = now_ns
        return self._last


def _listed(content: bytes) -> Iterator[Measure]:
    if not content or (b'"failed":{}' in content and b'"refused":{}' in content):
        return
    listed = bounded_json.loads(content)
    for name, why in listed.get("failed", {}).items():
        yield Measure(FactKind.TASK_FAILED, f"task:{name}", 1.0, str(why))
    for name, (count, why) in listed.get("refused", {}).items():
        yield Measure(FactKind.REFUSED_REPEATEDLY, str(name), float(count), str(why))

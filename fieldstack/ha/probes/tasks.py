"""Tasks of the Main Core that have failed, as its status record tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from fieldstack.ha.measures import FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack_rt._native import ffi

LOOK_NS = 200_000_000
"""Core tells of a failure until somebody has seen to it: looking so seldom is enough."""


class Tasks:
    """TASK_FAILED of each task that Core lists as failed, also while Core is away: it stays failed."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._looked_ns = 0
        self._content = b""
        self._last: tuple[Measure, ...] = ()

    def measures(self, now_ns: int) -> Iterable[Measure]:
        core = self._view.core_status
        if core is not None and now_ns - self._looked_ns >= LOOK_NS:
            self._looked_ns = now_ns
            content = bytes(ffi.buffer(core.task))[: int(core.task_size)]
            if content != self._content:
                self._content, self._last = content, tuple(_failed(content))
        return self._last


def _failed(content: bytes) -> Iterator[Measure]:
    if b'"failed":{}' in content:
        return
    try:
        failed: dict[str, str] = json.loads(content).get("failed", {})
        for name, why in failed.items():
            yield Measure(FactKind.TASK_FAILED, f"task:{name}", 1.0, str(why))
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # a record that is not whole is StoreHealth's business

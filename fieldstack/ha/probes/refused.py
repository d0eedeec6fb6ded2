"""Counts what parts of Non-RT try repeatedly without success: warm spares, alert receivers, the disk.

Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fieldstack.ha.model.measures import FactKind, Measure

Refused = Mapping[str, tuple[int, str]]
"""By name: how often in a row it failed, and why the last time."""


class RefusedAgain:
    """REFUSED_REPEATEDLY of `KIND:NAME`, as each source reports it. `sources`: by kind, and what it is."""

    def __init__(self, sources: Mapping[str, tuple[str, Callable[[], Refused]]]) -> None:
        self._sources = sources

    def measures(self, _now_ns: int) -> Iterable[Measure]:
        for kind, (what, refused) in self._sources.items():
            for name, (count, why) in refused().items():
                yield Measure(FactKind.REFUSED_REPEATEDLY, f"{kind}:{name}", float(count), f"{what}: {why}")

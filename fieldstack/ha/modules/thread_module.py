"""A module that is threads of the Non-RT process, made in a thread: prediction is one.

Used by `nonrt.module_list`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from fieldstack.ha.modules.module import STARTING

STOP_TIMEOUT_S = 2.0


class ThreadPart(Protocol):
    """What a thread module is made of: it works from its making until `close`."""

    def trouble(self) -> str: ...

    def close(self) -> None: ...


class ThreadModule:
    """A module that is threads of this process. `make` may take its time: it runs in a thread."""

    def __init__(self, name: str, make: Callable[[], ThreadPart]) -> None:
        self.name = name
        self.starts = 0
        self.part: ThreadPart | None = None
        self._make = make
        self._maker: threading.Thread | None = None
        self._refused = ""

    def start(self) -> None:
        self.starts += 1
        self._maker = threading.Thread(target=self._begin, args=(self.part,), name=f"start-{self.name}")
        self.part = None
        self._maker.daemon = True
        self._maker.start()

    def _begin(self, before: ThreadPart | None) -> None:
        try:
            if before is not None:
                _close_within(before, STOP_TIMEOUT_S)
            self.part = self._make()
            self._refused = ""
        except Exception as error:
            self._refused = f"could not be started: {error!r}"

    def trouble(self) -> str:
        part = self.part
        if part is not None:
            return part.trouble()
        return self._refused or STARTING

    def tick(self) -> None: ...

    def close(self) -> None:
        if self._maker is not None:
            self._maker.join(STOP_TIMEOUT_S)
        if self.part is not None:
            self.part.close()


def _close_within(part: ThreadPart, timeout_s: float) -> None:
    """A part that hangs is left behind: its threads are daemons, and nobody calls it any more."""
    closing = threading.Thread(target=part.close, name="close-part", daemon=True)
    closing.start()
    closing.join(timeout_s)

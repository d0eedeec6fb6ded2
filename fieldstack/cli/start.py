"""Starts the axes for a person, by command or by a key; asks again while the cell is still getting ready.

`fieldstack start` and the dashboards of `up` and `status` use it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fieldstack.cli.estop import user
from fieldstack.process.nonrt_client import NonRtUnreachableError, ask
from fieldstack_base.control.client import Answer
from fieldstack_base.instance import Instance

READY_WITHIN_S = 5.0
AGAIN_S = 0.1
KEY = "s"
HINT = "press s to start the axes"


def ask_for_start(instance: Instance, *, by: str, note: str = "") -> Answer:
    """The last answer. Raises NonRtUnreachableError."""
    until = time.monotonic() + READY_WITHIN_S
    while True:
        answer = ask(instance, "start", 10.0, by=by, note=note)
        if answer.accepted or not answer.data.get("again") or time.monotonic() > until:
            return answer
        time.sleep(AGAIN_S)


class StartKey:
    """Asks while the dashboard continues; `say` gets the answer, from another thread."""

    def __init__(self, instance: Instance, say: Callable[[str], None]) -> None:
        self._instance, self._say = instance, say
        self._asking: threading.Thread | None = None

    def handle_keys(self, keys: str) -> None:
        busy = self._asking is not None and self._asking.is_alive()
        if KEY in keys.lower() and not busy:
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        try:
            self._say(ask_for_start(self._instance, by=user(), note="key s of the dashboard").message)
        except NonRtUnreachableError as error:
            self._say(str(error))

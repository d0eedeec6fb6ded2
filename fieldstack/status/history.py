"""Gets the process history for `status`: from Non-RT, or from its file if Non-RT does not answer."""

from __future__ import annotations

from typing import Any

from fieldstack.ha.monitor.history_keeper import read_history
from fieldstack.process.nonrt_client import NonRtUnreachableError, ask
from fieldstack_base.instance import Instance

TIMEOUT_S = 0.5


def process_history(instance: Instance) -> dict[str, Any]:
    """As `History.to_dict`, with `source` (`non-rt` or `file`); without processes if there is none yet."""
    try:
        history = ask(instance, "status", TIMEOUT_S).data.get("status", {}).get("history")
    except NonRtUnreachableError:
        history = None
    if isinstance(history, dict):
        return {"source": "non-rt", **history}
    return {"source": "file", **(read_history(instance.state_dir) or {"processes": {}})}

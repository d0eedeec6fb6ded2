"""What a test sees of a cell inside the container: answers questions, one JSON line each, from inside."""

from __future__ import annotations

import json
import sys
from typing import Any

from fieldstack.events.reader import EventReader
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.client import SegmentClient


def answer(question: dict[str, Any]) -> Any:
    instance = Instance(question["instance"])
    if question["what"] == "snapshot":
        return StatusSource(instance).take().to_dict()
    if question["what"] == "events":
        return [event.to_dict() for event in EventReader(instance.state_dir).read(question["since"])]
    if question["what"] == "truth":
        with SegmentClient(instance.segment_socket) as client:
            return [slave.to_json() for slave in client.truth()]
    raise ValueError(question)


def main() -> None:
    for line in sys.stdin:
        try:
            reply = {"value": answer(json.loads(line))}
        except Exception as error:  # the test is told
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()

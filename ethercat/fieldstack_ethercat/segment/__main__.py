"""`python -m fieldstack_ethercat.segment`: runs a virtual segment on one end of a veth pair.

`fieldstack segment`, `fieldstack up` without hardware and the tests start it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import SegmentError
from fieldstack_ethercat.segment.process import SegmentOptions, run_segment


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fieldstack_ethercat.segment",
        description="Answers EtherCAT frames on an interface as a chain of virtual slaves would.",
    )
    parser.add_argument("--interface", required=True, help="the segment's end of the veth pair")
    parser.add_argument("--devices", default="drive*4,dio", help="in wire order, for example drive*4,dio")
    parser.add_argument("--socket", required=True, type=Path, help="where the control socket is to be")
    parser.add_argument("--cpu", type=int, default=0, help="CPU of the frame thread; -1: any")
    parser.add_argument("--priority", type=int, default=85, help="SCHED_FIFO priority; 0: plain scheduling")
    parser.add_argument("--watchdog-ms", type=float, default=100.0, help="process data watchdog; 0: off")
    parser.add_argument("--encoders", type=Path, help="file that keeps where the motors stand")
    parser.add_argument("--lifeline", action="store_true", help="end also when stdin is closed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a clean shutdown, 1 for what kept the segment from running."""
    given = _parser().parse_args(arguments)
    try:
        run_segment(
            SegmentOptions(
                interface=given.interface,
                devices=parse_devices(given.devices),
                socket=given.socket,
                cpu=given.cpu,
                priority=given.priority,
                watchdog_ms=given.watchdog_ms,
                lifeline=given.lifeline,
                encoders=given.encoders,
            )
        )
    except (SegmentError, OSError) as error:
        print(f"segment: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

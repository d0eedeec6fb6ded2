"""The reference for recovery: a bare pysoem program takes the same bus to OP, in a process of its own.

`bringup_reference` runs it (`python -m fieldstack.bench.harness.bare_bringup INTERFACE`), and it prints one
line of JSON. It does only what pysoem's examples do: it compares nothing with a plan, and sets up no PDOs and
no watchdogs. At its end it leaves the slaves in SAFE-OP, the state in which safe frames leave them and a
restarted RT process finds them. It imports nothing of Fieldstack.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pysoem

STATE_TIMEOUT_US = 2_000_000
OP_POLL_US = 1000
OP_TIMEOUT_NS = 5_000_000_000
RECEIVE_TIMEOUT_US = 2000


def bring_up(master: Any, interface: str) -> dict[str, int]:
    """Times in ns from opening the interface to all slaves in OP. Raises RuntimeError if they do not reach
    it."""
    begun_ns = time.monotonic_ns()
    master.open(interface)
    if master.config_init() <= 0:
        raise RuntimeError(f"no slaves answer on {interface}")
    found_ns = time.monotonic_ns()
    master.config_map()
    if master.state_check(pysoem.SAFEOP_STATE, STATE_TIMEOUT_US) != pysoem.SAFEOP_STATE:
        raise RuntimeError("the slaves do not reach SAFE-OP")
    mapped_ns = time.monotonic_ns()
    master.send_processdata()
    master.receive_processdata(RECEIVE_TIMEOUT_US)
    master.state = pysoem.OP_STATE
    master.write_state()
    while master.state_check(pysoem.OP_STATE, OP_POLL_US) != pysoem.OP_STATE:
        master.send_processdata()
        master.receive_processdata(RECEIVE_TIMEOUT_US)
        if time.monotonic_ns() - mapped_ns > OP_TIMEOUT_NS:
            raise RuntimeError("the slaves do not reach OP")
    done_ns = time.monotonic_ns()
    return {
        "bringup_ns": done_ns - begun_ns,
        "found_ns": found_ns - begun_ns,
        "mapped_ns": mapped_ns - found_ns,
        "op_ns": done_ns - mapped_ns,
    }


def main() -> int:
    master = pysoem.Master()
    try:
        found = bring_up(master, sys.argv[1])
        master.state = pysoem.SAFEOP_STATE
        master.write_state()
        master.state_check(pysoem.SAFEOP_STATE, STATE_TIMEOUT_US)
    except (RuntimeError, ConnectionError, pysoem.ConfigMapError) as error:
        print(f"bare bring-up: {error!r}", file=sys.stderr)
        return 1
    finally:
        master.close()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

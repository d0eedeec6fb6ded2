"""An RT process without a bus, `rt_side.py INSTANCE`: it holds the lock, beats, and has a plan for its guard.

`end` on its input is its orderly end, step by step as RT's own.
"""

from __future__ import annotations

import os
import sys

from fieldstack_base.instance import Instance
from fieldstack_rt.cycle import CycleThread
from fieldstack_rt.datastore import DataStore


def main(name: str) -> None:
    store = DataStore.attach(Instance(name))
    cycle = CycleThread(store, cpu=-1, priority=0).start()
    plan = store.new("fs_guard_plan")
    plan.epoch, plan.rt_pid, plan.rt_tid = cycle.epoch, os.getpid(), cycle.tid
    plan.cycle_time_ns, plan.rt_cpu, plan.interface = 1_000_000, -1, b"lo"
    plan.outputs_size, plan.slave_count, plan.expected_lwr_wkc = 4, 1, 1
    store.write_guard_plan(plan)
    print("ready", flush=True)
    while line := sys.stdin.readline():
        if line == "halt\n":
            cycle.halt()
            print("halted", flush=True)
        elif line == "end\n":
            cycle.halt()
            cycle.release()
            return


if __name__ == "__main__":
    main(sys.argv[1])

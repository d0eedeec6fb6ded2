"""The Non-RT side of an RT test as a process of its own: `nonrt_side.py INSTANCE`, until it is killed."""

from __future__ import annotations

import sys
import time

from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.guard import Guard, GuardConfig

BEAT_S = 0.02


def main(name: str) -> None:
    store = DataStore.attach(Instance(name))
    Guard(store, GuardConfig()).start()
    store.begin_nonrt_epoch()
    store.motion_permit = True
    store.beat_nonrt()
    print("ready", flush=True)
    while True:
        time.sleep(BEAT_S)
        store.beat_nonrt()


if __name__ == "__main__":
    main(sys.argv[1])

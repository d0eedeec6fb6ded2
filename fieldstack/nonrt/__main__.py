"""`python -m fieldstack.nonrt --settings FILE`: the Non-RT process.

Lean: while it starts, nobody supervises. What is loaded before the first beat is what supervision needs.
`fieldstack up` starts it; under systemd `fieldstack-nonrt run` calls it.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

EXIT_FAILED, EXIT_CONFIGURATION, EXIT_TAKEN = 1, 3, 6


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 went down as asked, 1 failed, 3 bad settings or policy, 6 the instance is taken."""
    parser = argparse.ArgumentParser(prog="fieldstack-nonrt", description="The Non-RT process of a cell.")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file of NonRtSettings")
    parser.add_argument("--leave-running", action="store_true", help="on SIGTERM end alone: RT goes on")
    arguments = parser.parse_args(argv)
    gc.disable()  # until all is loaded: there is next to no garbage in it
    import faulthandler
    from dataclasses import replace

    from fieldstack.events.writer import EventLogBusyError
    from fieldstack.ha.policy import PolicyError
    from fieldstack.nonrt.nonrt import run
    from fieldstack.nonrt.settings import SettingsError, load
    from fieldstack.process.manager import ProcessManagerError
    from fieldstack_base.instance import InstanceNameError
    from fieldstack_rt.datastore import ForeignMasterError, StoreBusyError, StoreError
    from fieldstack_rt.realtime import name_process
    from fieldstack_rt.sd_notify import notifier

    name_process("fieldstack-nonrt")
    faulthandler.enable()  # SIGABRT, by which systemd's watchdog ends a hung process, says where it hung
    table: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
        ((SettingsError, PolicyError, InstanceNameError), EXIT_CONFIGURATION),
        ((EventLogBusyError, StoreBusyError, ForeignMasterError), EXIT_TAKEN),
    )
    refusals = (
        SettingsError,
        PolicyError,
        InstanceNameError,
        EventLogBusyError,
        ProcessManagerError,
        StoreError,
        OSError,
    )
    try:
        settings = load(arguments.settings)
        run(replace(settings, leave_running=settings.leave_running or arguments.leave_running))
    except refusals as error:
        print(f"fieldstack-nonrt: {error}", file=sys.stderr)
        notifier().failed(str(error))
        return next((code for kinds, code in table if isinstance(error, kinds)), EXIT_FAILED)
    return 0


if __name__ == "__main__":
    sys.exit(main())

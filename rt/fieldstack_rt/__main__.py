"""`python -m fieldstack_rt run`: the RT process. Lean: its start-up time is part of every failover.

Supervision starts it (`fieldstack.cell.launch`), systemd does, or `fieldstack rt run`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fieldstack_base.instance import DEFAULT_INSTANCE, Instance, InstanceNameError

EXIT_FAILED, EXIT_CONFIGURATION, EXIT_PERMISSION, EXIT_NOT_RUNNING, EXIT_TAKEN = 1, 3, 4, 5, 6

_EPILOG = """exit status:
  0 stopped by request   1 failed, may pass   2 wrong usage   3 configuration and bus differ
  4 missing permission or interface   5 no cell of that name (no shared memory)
  6 another RT process has the bus
  9 an axis ran on, and ending the process was the last thing to try (docs/stops.md)

example:
  fieldstack-rt run --instance cell --plan /run/fieldstack/cell/bus.json --interface eth1
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fieldstack-rt", description="The RT process: owns the EtherCAT master and runs the cycle."
    )
    run = parser.add_subparsers(dest="command", required=True).add_parser(
        "run",
        help="bring the bus to OP and run the cycle until SIGTERM",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--instance", default=DEFAULT_INSTANCE, help="the cell's name (default: %(default)s)")
    run.add_argument("--plan", type=Path, help="validated bus plan (default: the instance's bus.json)")
    run.add_argument("--interface", default="", help="network interface (default: the plan's)")
    run.add_argument("--cpu", type=int, default=1, help="CPU of the cycle thread, -1: any (default: 1)")
    run.add_argument(
        "--priority", type=int, default=80, help="its SCHED_FIFO priority, 0: none (default: 80)"
    )
    run.add_argument(
        "--nonrt-timeout-ms", type=int, default=500, help="axes stop after this long without a Non-RT beat"
    )
    run.add_argument("--wait-s", type=float, default=10.0, help="wait this long for the shared memory")
    run.add_argument(
        "--fault-injection", action="store_true", help="obey injected faults (tests, benchmarks)"
    )
    run.add_argument(
        "--standby", action="store_true", help="load everything, then wait for a byte on standard input"
    )
    run.add_argument("--load", choices=("gil", "acyclic"), default="", help=argparse.SUPPRESS)
    run.add_argument("--load-slice-ms", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    from fieldstack_ethercat.bus.config.plan_json import plan_from_json
    from fieldstack_rt import realtime, standby
    from fieldstack_rt.datastore.store import DataStore
    from fieldstack_rt.executive import RTExecutive, RtOptions

    realtime.forbid_core_dumps()
    if arguments.standby and not standby.wait_for_call():
        return
    realtime.name_process("fieldstack-rt")
    instance = Instance(arguments.instance)
    plan = plan_from_json((arguments.plan or instance.plan_file).read_bytes())
    # Non-RT starts it and works on this memory: a damaged header is repaired meanwhile
    store = DataStore.attach(instance, timeout_s=arguments.wait_s, by_suffix=True)
    options = RtOptions(
        interface=arguments.interface or plan.interface,
        cpu=arguments.cpu,
        priority=arguments.priority,
        nonrt_timeout_ms=arguments.nonrt_timeout_ms,
        fault_injection=arguments.fault_injection,
        load=arguments.load,
        load_slice_ns=arguments.load_slice_ms * 1_000_000,
    )
    RTExecutive(store, plan, options).run()


def _exit_code(error: Exception) -> int:
    """What the exit status says to a supervisor, as `--help` lists it."""
    from fieldstack_ethercat.bus import errors as bus
    from fieldstack_rt.cycle import BusTakenError
    from fieldstack_rt.datastore.errors import StoreMissingError

    table: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
        ((BusTakenError,), EXIT_TAKEN),
        ((StoreMissingError,), EXIT_NOT_RUNNING),
        ((bus.InterfaceError, PermissionError), EXIT_PERMISSION),
        ((FileNotFoundError, InstanceNameError), EXIT_CONFIGURATION),
    )
    if isinstance(error, bus.BusError) and error.refusal:
        return EXIT_CONFIGURATION
    return next((code for kinds, code in table if isinstance(error, kinds)), EXIT_FAILED)


def main(argv: list[str] | None = None) -> int:
    """The process's exit status; errors that a user can correct are one message, not a traceback."""
    from fieldstack_ethercat.bus.errors import BusError
    from fieldstack_rt.datastore.errors import StoreError
    from fieldstack_rt.sd_notify import notifier

    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except (BusError, StoreError, InstanceNameError, OSError) as error:
        print(f"fieldstack-rt: {error}", file=sys.stderr)
        notifier().failed(str(error))
        return _exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())

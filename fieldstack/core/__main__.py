"""`python -m fieldstack.core run`: the Main Core process, as process managers start it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fieldstack.core.process import CoreError, CoreSettings, run
from fieldstack_ethercat.bus.errors import PlanFormatError
from fieldstack_rt.datastore import StoreError
from fieldstack_rt.instance import DEFAULT_INSTANCE, Instance, InstanceNameError
from fieldstack_rt.sd_notify import notifier

FAILED, USAGE, BAD_CONFIGURATION, NOT_RUNNING = 1, 2, 3, 5


def parser() -> argparse.ArgumentParser:
    defaults = CoreSettings()
    top = argparse.ArgumentParser(prog="fieldstack-core", description="The Main Core process.")
    commands = top.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="feed the axes with the demo motion program until SIGTERM")
    command.add_argument("--instance", default=DEFAULT_INSTANCE, metavar="NAME")
    command.add_argument("--plan", type=Path, metavar="FILE", help="default: bus.json of the instance")
    command.add_argument("--lead-ms", type=int, default=defaults.lead_ms, help="setpoints kept ahead, ms")
    command.add_argument(
        "--speed-percent", type=int, default=defaults.speed_percent, help="of what the axes may"
    )
    command.add_argument("--dwell-ms", type=int, default=defaults.dwell_ms, help="rest at each way point")
    return top


def main(arguments: list[str] | None = None) -> int:
    """0: ended at rest; 1: failed; 2: usage; 3: unusable bus plan; 5: no cell to attach to."""
    options = parser().parse_args(arguments)
    settings = CoreSettings(options.lead_ms, options.speed_percent, options.dwell_ms)
    try:
        instance = Instance(options.instance)
        run(instance, options.plan or instance.plan_file, settings)
    except InstanceNameError as error:
        return _fail(error, USAGE)
    except (PlanFormatError, OSError) as error:
        return _fail(error, BAD_CONFIGURATION)
    except StoreError as error:
        return _fail(error, NOT_RUNNING)
    except CoreError as error:
        return _fail(error, FAILED)
    return 0


def _fail(error: Exception, code: int) -> int:
    print(f"fieldstack-core: {error}", file=sys.stderr)
    notifier().failed(str(error))
    return code


if __name__ == "__main__":
    sys.exit(main())

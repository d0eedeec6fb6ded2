"""`python -m fieldstack.tasks run`: the Main Core process, as process managers start it.

Non-RT starts it under `fieldstack up`; `fieldstack-core`, in systemd's unit, calls the same `main`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fieldstack.tasks.process import CoreError, run
from fieldstack.tasks.program.settings import CoreSettings, CoreSettingsError
from fieldstack_base.instance import DEFAULT_INSTANCE, Instance, InstanceNameError
from fieldstack_ethercat.bus.errors import PlanFormatError
from fieldstack_rt.datastore import StoreError
from fieldstack_rt.sd_notify import notifier

FAILED, USAGE, BAD_CONFIGURATION, NOT_RUNNING = 1, 2, 3, 5


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="fieldstack-core", description="The Main Core process.")
    commands = top.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="run tasks (`fieldstack task`) until SIGTERM")
    command.add_argument("--instance", default=DEFAULT_INSTANCE, metavar="NAME")
    command.add_argument("--plan", type=Path, metavar="FILE", help="default: bus.json of the instance")
    command.add_argument("--settings", type=Path, metavar="FILE", help="default: core.json of the instance")
    return top


def main(arguments: list[str] | None = None) -> int:
    """0: ended at rest; 1: failed; 2: usage; 3: unusable bus plan; 5: no cell to attach to."""
    options = parser().parse_args(arguments)
    try:
        instance = Instance(options.instance)
        settings = CoreSettings.read(options.settings or instance.core_settings_file)
        run(instance, options.plan or instance.plan_file, settings)
    except InstanceNameError as error:
        return _fail(error, USAGE)
    except (PlanFormatError, CoreSettingsError, OSError) as error:
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

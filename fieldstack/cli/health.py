"""`python -m fieldstack.cli.health --settings FILE`: the health server of one cell.

`fieldstack up` starts it; `fieldstack-health`, in systemd's unit, is the same.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldstack.health.model.settings import HealthSettings

EXIT_FAILED, EXIT_CONFIGURATION = 1, 3


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 ended as asked, or the cell is gone; 1 failed; 3 bad settings."""
    parser = argparse.ArgumentParser(prog="fieldstack-health", description="The health server of a cell.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--settings", type=Path, help="JSON file of HealthSettings, as `fieldstack up` writes it"
    )
    source.add_argument("--config", type=Path, help="cell configuration (YAML); its section `health` is used")
    parser.add_argument("--instance", help="which cell; default: as the settings say")
    arguments = parser.parse_args(argv)
    import logging

    from fieldstack.health.model.settings import HealthSettings, HealthSettingsError, load
    from fieldstack_base.instance import DEFAULT_INSTANCE, Instance, InstanceNameError
    from fieldstack_rt.realtime import name_process

    name_process("fieldstack-health")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    instance = arguments.instance or DEFAULT_INSTANCE
    try:
        if arguments.settings:
            settings = load(arguments.settings)
            settings = replace(settings, instance=arguments.instance or settings.instance)
        elif arguments.config:
            settings = _from_cell(arguments.config, instance)
        else:
            settings = HealthSettings(instance)
        from fieldstack.health.server import HealthCheckServer

        HealthCheckServer(settings).run()
    except (HealthSettingsError, InstanceNameError) as error:
        print(f"fieldstack-health: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except OSError as error:
        needs = f"it has to write its token and its socket to {Instance(settings.instance).runtime_dir}"
        print(
            f"fieldstack-health: {error}; {needs}: make room there, or let this user write to it",
            file=sys.stderr,
        )
        return EXIT_FAILED
    return 0


def _from_cell(path: Path, instance: str) -> HealthSettings:
    """The health section of a cell configuration. Imported late: it takes as long to load as the server
    itself."""
    from fieldstack.cell.configuration import load
    from fieldstack_base.configuration_error import ConfigurationError

    try:
        return load(path).config.health.settings(instance)
    except ConfigurationError as error:
        from fieldstack.health.model.settings import HealthSettingsError

        raise HealthSettingsError(path, str(error)) from error


if __name__ == "__main__":
    sys.exit(main())

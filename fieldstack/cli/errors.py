"""Ends a command with one clear text and an exit code for each expected error; others keep their traceback.

main.py runs all commands through it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from fieldstack.cli.exit_codes import ExitCode

ErrorTable = tuple[tuple[tuple[type[BaseException], ...], ExitCode], ...]


class UsageError(Exception):
    """An option is wrong in a way that the parser cannot check; the text names it and says what is right."""


def error_table() -> ErrorTable:
    """The first match counts. Imported late, because a command that succeeds needs none of these."""
    from fieldstack.cell.up import UpError
    from fieldstack.cli.up import MissingPrivilegeError
    from fieldstack.ha.policy import PolicyError
    from fieldstack.ha.scenario import ScenarioError
    from fieldstack.host.namespace import NamespaceError
    from fieldstack.host.prerequisites import MissingPrerequisitesError
    from fieldstack.nonrt.settings import SettingsError
    from fieldstack.status.up_record import AlreadyRunningError
    from fieldstack_base.configuration_error import ConfigurationError
    from fieldstack_base.control.client import ControlUnreachableError
    from fieldstack_base.instance import InstanceNameError
    from fieldstack_ethercat.bus import errors as bus
    from fieldstack_ethercat.segment.description import errors as segment
    from fieldstack_rt.datastore import StoreBusyError, StoreError, StoreMissingError

    return (
        ((UsageError, InstanceNameError), ExitCode.USAGE),
        (
            (
                ConfigurationError,
                bus.PlanFormatError,
                bus.TopologyMismatchError,
                bus.DistributedClockError,
                PolicyError,
                ScenarioError,
                SettingsError,
            ),
            ExitCode.BAD_CONFIGURATION,
        ),
        ((segment.DeviceListError,), ExitCode.BAD_CONFIGURATION),
        (
            (MissingPrerequisitesError, MissingPrivilegeError, NamespaceError, segment.VethError),
            ExitCode.MISSING_PREREQUISITE,
        ),
        ((bus.InterfaceError,), ExitCode.MISSING_PREREQUISITE),
        ((StoreMissingError, segment.SegmentGoneError, ControlUnreachableError), ExitCode.NOT_RUNNING),
        ((AlreadyRunningError, StoreBusyError), ExitCode.ALREADY_RUNNING),
        ((PermissionError,), ExitCode.MISSING_PREREQUISITE),
        ((StoreError, UpError, segment.SegmentError, bus.BusError, OSError), ExitCode.FAILED),
    )


def run(program: str, command: Callable[[], object]) -> NoReturn:
    """Runs a command line to its exit code."""
    try:
        command()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: nothing to tell, and nobody
        sys.exit(ExitCode.OK)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(code)
    sys.exit(ExitCode.OK)


def _code_of(error: BaseException) -> ExitCode | None:
    return next((code for kinds, code in error_table() if isinstance(error, kinds)), None)

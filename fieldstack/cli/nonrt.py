"""`fieldstack-nonrt run`: the Non-RT process of a cell, from its configuration or from a settings file.

systemd's unit starts it. (`fieldstack up` starts `python -m fieldstack.nonrt`.)
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    if sys.argv[1:2] == ["run"] and any(word.startswith("--settings") for word in sys.argv):
        from fieldstack.nonrt.__main__ import main as run_nonrt

        sys.exit(run_nonrt(sys.argv[2:]))
    _typer_main()


def _typer_main() -> None:
    import typer

    from fieldstack.cli import errors
    from fieldstack.cli.exit_codes import epilog

    app = typer.Typer(
        name="fieldstack-nonrt",
        help="The Non-RT process of a cell: guard, supervision, recovery, event log.",
        epilog=epilog(),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command("run", epilog=epilog())(run)
    app.callback()(lambda: None)
    errors.run("fieldstack-nonrt", app)


def run(
    config: str = "",
    instance: str = "cell",
    interface: str = "",
    leave_running: bool = False,
) -> None:
    """Supervise a cell. --leave-running: on SIGTERM this process ends alone and RT goes on."""
    from dataclasses import replace
    from pathlib import Path

    from fieldstack.cell.configuration import load
    from fieldstack.cell.launch import Launch
    from fieldstack.cell.locations import find
    from fieldstack.nonrt.nonrt import run as run_nonrt
    from fieldstack_base.instance import Instance

    launch = Launch.of(Instance(instance), load(find(Path(config) if config else None)), interface or None)
    launch.write_files()
    run_nonrt(replace(launch.settings(), leave_running=leave_running))

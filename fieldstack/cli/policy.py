"""`fieldstack policy`: checks failover policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fieldstack.cli.exit_codes import epilog
from fieldstack.cli.options import INSTANCE, InstanceOption

app = typer.Typer(help="Failover policies.", no_args_is_help=True, epilog=epilog())


@app.callback()
def _group() -> None:
    """Failover policies."""


@app.command(epilog=epilog())
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy (JSON).")]) -> None:
    """Read a policy as the Non-RT process would; every fault is named with key, value and remedy.

    Example:

        fieldstack policy check config/ha/failover_policy.json
    """
    from fieldstack.ha.policy import load_policy

    policy = load_policy(file)
    typer.echo(f"{file}: valid, {len(policy.rules)} rules for {len(policy.processes)} processes")


@app.command(epilog=epilog())
def reload(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A policy (JSON); default: the one in force, anew.")
    ] = None,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Put a policy in force while the cell runs: all of it, or nothing (exit code 1, and why).

    Until the next start of the Non-RT process, which reads the file that the cell configuration names.

    Example:

        fieldstack policy reload config/ha/failover_policy.json
    """
    from fieldstack.cli.estop import user
    from fieldstack.cli.requests import ask_and_tell

    path = str(file.resolve()) if file else ""
    ask_and_tell(instance, "reload", by=user(), file=path)

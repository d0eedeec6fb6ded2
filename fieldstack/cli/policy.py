"""`fieldstack policy`: checks failover policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fieldstack.cli.exit_codes import epilog

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

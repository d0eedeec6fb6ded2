"""Entry point of `fieldstack-rt`: systemd's unit starts its `run`, people use its `status`.

`run` goes directly to the RT process: its start-up time counts in every failover.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    if sys.argv[1:2] == ["run"]:
        from fieldstack_rt.__main__ import main as run_rt

        sys.exit(run_rt(sys.argv[1:]))
    _typer_main()


def _typer_main() -> None:
    import typer

    from fieldstack.cli import errors
    from fieldstack.cli.exit_codes import epilog
    from fieldstack.cli.status import status

    app = typer.Typer(
        name="fieldstack-rt",
        help="The RT process of a cell, and what it does.",
        epilog=epilog(),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command("status", epilog=epilog())(status)

    @app.command("run", help="Bring the bus to OP and run the cycle until SIGTERM: fieldstack-rt run --help.")
    def run() -> None:
        """Only listed in --help: `main` passes `run` on before typer is loaded."""

    errors.run("fieldstack-rt", app)

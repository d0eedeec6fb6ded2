"""`fieldstack bench`: measures the cell beside references taken in the same run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from fieldstack.bench.cycle.options import LoadKind, Reference
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.screen.terminal import terminal

app = typer.Typer(
    help="Benchmarks, each beside a reference taken in the same run; docs/benchmarks.md says how.",
    no_args_is_help=True,
    epilog=epilog(),
)

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result there as JSON.")
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Exit code 1 if a bound was missed; the bounds are shown anyway.")
]


@app.command(epilog=epilog())
def cycle(  # noqa: PLR0917 - one parameter an option
    seconds: Annotated[float, typer.Option(help="Measured time of each condition.", min=1.0)] = 20.0,
    load: Annotated[LoadKind, typer.Option(help="What keeps RT's Python side busy.")] = LoadKind.NONE,
    reference: Annotated[
        Reference, typer.Option(help="cyclictest in the same moments, or in turns.")
    ] = Reference.CONCURRENT,
    rounds: Annotated[int, typer.Option(help="Turns that RT and the bare loops take.", min=1)] = 4,
    bare_seconds: Annotated[
        float, typer.Option(help="Measured time of each bare loop; 0 leaves them out.", min=0.0)
    ] = 8.0,
    devices: Annotated[str, typer.Option(help="Devices of the virtual segment.")] = "drive*4,dio",
    interface: Annotated[
        str, typer.Option(metavar="IF", help="A real bus; needs --config. Default: a virtual segment.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Bus configuration; default: the demo cell's.")
    ] = None,
    cycle_us: Annotated[int, typer.Option(help="Cycle time.", min=100, max=100_000)] = 1000,
    cpu: Annotated[int, typer.Option(help="CPU of the cycle and its references; -1: the last one.")] = -1,
    priority: Annotated[int, typer.Option(help="Their SCHED_FIFO priority.", min=1, max=90)] = 80,
    no_deep_idle: Annotated[
        bool, typer.Option("--no-deep-idle", help="Keep CPUs awake; a hypervisor may punish that.")
    ] = False,
    json_file: JsonOption = None,
    check: CheckOption = False,
) -> None:
    """Compare wake-up latency with cyclictest, exchange time with a bare C loop; count lost, late cycles.

    With --load the cycle is measured with and without it, a second each in turn.

    Examples:

        fieldstack bench cycle --seconds 20 --load gil --json gil.json

        fieldstack bench cycle --seconds 60 --devices "drive*32" --rounds 1
    """
    from fieldstack.bench.cycle.command import CycleRequest, run_cycle

    request = CycleRequest(
        seconds=seconds,
        load=load,
        reference=reference,
        rounds=rounds,
        bare_seconds=bare_seconds,
        devices=devices,
        interface=interface,
        config=config,
        cycle_us=cycle_us,
        cpu=cpu,
        priority=priority,
        no_deep_idle=no_deep_idle,
    )
    with _failures():
        held = run_cycle(request, json_file, terminal())
    raise typer.Exit(ExitCode.OK if held or not check else ExitCode.FAILED)


@app.command(epilog=epilog())
def failover(  # noqa: PLR0917 - one parameter an option
    fault: Annotated[FaultKind, typer.Option(help="What is done to the cell.")] = FaultKind.SIGKILL,
    runs: Annotated[int, typer.Option(help="How many times.", min=1)] = 50,
    block: Annotated[
        int, typer.Option(help="After so many the cell goes down and the reference is taken.", min=1)
    ] = 5,
    settle: Annotated[
        float, typer.Option(help="Seconds of undisturbed motion before each fault.", min=0.0)
    ] = 1.0,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Cell configuration; default: the demo cell's.")
    ] = None,
    memory_pressure: Annotated[
        bool,
        typer.Option("--memory-pressure", help="Non-RT's memory is asked to be reclaimed before each fault."),
    ] = False,
    json_file: JsonOption = None,
    check: CheckOption = False,
) -> None:
    """Measure the time from a fault to detection, reaction and recovery; nothing may be lost.

    sigkill, sigsegv, sigstop, spin: of the RT process; to safe outputs and back to OP, beside a bare pysoem
    bring-up of the same segment. The others: of Non-RT, RT and Non-RT at once, a slave, the Main Core, the
    disk.

    A whole cell with moving axes, on a virtual segment of its own, as `fieldstack up` starts it. Safe outputs
    are what the slaves saw, not what the master believes.

    Examples:

        fieldstack bench failover --fault sigkill --runs 50 --json sigkill.json

        fieldstack bench failover --fault spin --runs 10 --check

        fieldstack bench failover --fault both-kill --runs 5

        fieldstack bench failover --fault ignored-stop --runs 3 --check

        fieldstack bench failover --fault sigkill --runs 10 --memory-pressure --check
    """
    from fieldstack.bench.failover.command import FailoverRequest, run_failover

    if memory_pressure and not fault.of_rt:
        raise typer.BadParameter(
            "--memory-pressure is for faults of RT, which the guard answers: sigkill, for example"
        )
    request = FailoverRequest(fault, runs, block, settle, config, memory_pressure)
    with _failures():
        held = run_failover(request, json_file, terminal())
    raise typer.Exit(ExitCode.OK if held or not check else ExitCode.FAILED)


@app.command(epilog=epilog())
def prediction(  # noqa: PLR0917 - one parameter an option
    normal: Annotated[
        str, typer.Option(metavar="TIME", help="Normal running of a live cell: 5m, 1h ...; 0: none.")
    ] = "5m",
    seeds: Annotated[int, typer.Option(help="Runs of each made-up series; 0: none.", min=0)] = 3,
    leaks: Annotated[bool, typer.Option(help="Real processes that leak, some 75 s.")] = True,
    prevention: Annotated[
        bool, typer.Option(help="A live cell whose Main Core leaks until it is restarted, minutes.")
    ] = True,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what normal running saw, for --replay.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Judge a recorded run again, as the method is now.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Cell configuration; default: the demo cell's.")
    ] = None,
    instance: Annotated[str, typer.Option(metavar="NAME", help="Of the cell; default: one of its own.")] = "",
    progress: Annotated[bool, typer.Option(help="Lines of progress, also where no terminal is.")] = False,
    json_file: JsonOption = None,
    check: CheckOption = False,
) -> None:
    """Score forecasts and anomalies: lead times, hits, misses, false alarms. Method: docs/prediction.md.

    Synthetic series of leaks and drifts, and of what must not alarm; real processes that leak memory and file
    descriptors; a Main Core that leaks in a live cell, and is restarted in time; normal
    running of a live cell.

    Examples:

        fieldstack bench prediction --json prediction.json

        fieldstack bench prediction --normal 1h --record hour.jsonl --progress

        fieldstack bench prediction --normal 0 --no-leaks --no-prevention --seeds 0 --replay hour.jsonl
    """
    from fieldstack.bench.prediction.command import PredictionRequest, run_prediction
    from fieldstack.bench.prediction.normal import NormalRequest
    from fieldstack.cli.options import seconds_of

    seconds = None if normal == "0" else seconds_of(normal, "--normal")
    live = None if seconds is None else NormalRequest(seconds, config, instance, record)
    request = PredictionRequest(
        seeds=seeds,
        leaks=leaks,
        normal=live,
        replay=replay,
        prevention=prevention,
        config=config,
        progress=progress,
    )
    with _failures():
        held = run_prediction(request, json_file, terminal())
    raise typer.Exit(ExitCode.OK if held or not check else ExitCode.FAILED)


@contextmanager
def _failures() -> Iterator[None]:
    """A benchmark that could not be run is one clear text and an exit code; SIGTERM ends it like Ctrl-C."""
    from fieldstack.bench.harness.errors import BenchError

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except BenchError as error:
        typer.echo(f"fieldstack bench: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from error

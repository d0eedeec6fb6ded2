"""`fieldstack bench prediction`: runs synthetic series, real leaks and a real cell; prints the report.

`fieldstack.cli.bench` calls it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fieldstack.bench.harness import report
from fieldstack.bench.harness.checks import all_held
from fieldstack.bench.harness.preconditions import require_for_bench
from fieldstack.bench.harness.report import Say
from fieldstack.bench.prediction.leaks import run_leaks
from fieldstack.bench.prediction.normal import (
    NormalRequest,
    NormalResult,
    replay_normal,
    run_normal,
)
from fieldstack.bench.prediction.prevention import run_prevention
from fieldstack.bench.prediction.result import PredictionResult
from fieldstack.bench.prediction.scenarios import SCENARIOS, Expect
from fieldstack.bench.prediction.score import Score, play
from fieldstack.prediction.findings import duration


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """The options. `seeds` 0: no synthetic series. `normal` None: no cell. `replay` None: no record."""

    seeds: int
    leaks: bool
    normal: NormalRequest | None
    replay: Path | None
    prevention: bool
    config: Path | None
    progress: bool


def run_prediction(request: PredictionRequest, json_file: Path | None, console: Console) -> bool:
    """Measures and reports; True if all bounds are met. Raises BenchError and errors of what it starts."""
    if request.normal is not None or request.prevention:
        require_for_bench(virtual=True)
    report.show_machine(console)
    with _status(console, request) as say, tempfile.TemporaryDirectory(prefix="fieldstack-bench-") as name:
        result = PredictionResult(
            scenarios=tuple(_scenarios(request.seeds, say)),
            leaks=tuple(run_leaks(say)) if request.leaks else (),
            prevention=run_prevention(request.config, Path(name), say) if request.prevention else None,
            normal=run_normal(request.normal, Path(name), say) if request.normal else None,
            replayed=replay_normal(request.replay) if request.replay else None,
        )
    _show(result, console)
    if json_file is not None:
        report.write_json(json_file, "prediction", result.to_json())
    return all_held(result.checks())


@contextlib.contextmanager
def _status(console: Console, request: PredictionRequest) -> Iterator[Say]:
    """Shows progress in one line on a terminal, and in many lines elsewhere if they are wanted."""
    if console.is_terminal or request.progress:
        with report.status(console) as say:
            yield say
    else:
        yield lambda _text: None


def _scenarios(seeds: int, say: Say) -> Iterator[Score]:
    for number, scenario in enumerate(SCENARIOS if seeds else (), 1):
        say(f"made-up series {number} of {len(SCENARIOS)}: {scenario.title}")
        for seed in range(1, seeds + 1):
            yield play(scenario, seed)


def _show(result: PredictionResult, console: Console) -> None:
    for title, scores in (("Made-up series", result.scenarios), ("Real leaks", result.leaks)):
        if scores:
            console.print(_table(title, scores))
    if result.prevention is not None:
        console.print(f"{result.prevention.text()}\n  {result.prevention.told_text}", highlight=False)
    if result.normal is not None:
        _show_normal(result.normal, console)
    if result.replayed is not None:
        console.print(f"Recorded run: {result.replayed.charts.text}", highlight=False)
        _show_alarms(result.replayed.alarms, console)
    report.show_checks(console, result.checks())


def _table(title: str, scores: Sequence[Score]) -> Table:
    """A table with one scenario in each row, showing the worst of its runs."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("found", "false", "limit", "lead", "onset", "ETA"):
        table.add_column(name, justify="right", no_wrap=True)
    by_title: dict[str, list[Score]] = {}
    for score in scores:
        by_title.setdefault(score.title, []).append(score)
    for name, runs in by_title.items():
        table.add_row(name, *_row(runs))
    return table


def _row(runs: Sequence[Score]) -> Iterator[str]:
    """The run with the shortest lead: onset to limit, lead (also as a share), error of the ETA.

    The last column is the longest time from the onset to a finding.
    """
    expected = runs[0].expect is not Expect.NOTHING
    yield f"{sum(one.hit for one in runs)}/{len(runs)}" if expected else ""
    yield f"{sum(bool(one.false_text) for one in runs)}/{len(runs)}"
    worst = min(runs, key=lambda one: one.lead_s if one.lead_s is not None else float("inf"))
    latest = max((one.delay_s for one in runs if one.delay_s is not None), default=None)
    yield "" if worst.reached_s is None else duration(worst.reached_s - worst.onset_s)
    lead = worst.lead_s is not None and worst.lead_share is not None
    yield f"{duration(worst.lead_s or 0)} {worst.lead_share:.0%}" if lead else ""
    yield "" if latest is None else f"+{duration(latest)}"
    yield "" if worst.eta_error is None else f"{worst.eta_error:+.0%}"


def _show_normal(normal: NormalResult, console: Console) -> None:
    module = normal.module
    lines = (
        f"Normal running: {duration(normal.seconds)}, operational {normal.operational_share:.1%} of it, "
        f"{normal.rt_starts} start(s) of RT; {module['series']} series",
        f"  cost: CPU {normal.cpu_share:.2%}, {normal.samples} samples of {normal.sample_us:.0f} µs, "
        f"{module['long_slices']} of {module['slices']} slices of 2 ms or more",
        f"  {normal.charts.text}",
        f"  {module['disturbed_intervals']} of {module['intervals']} intervals disturbed by the machine",
    )
    for line in lines:
        console.print(line, highlight=False)
    _show_alarms(normal.alarms, console)


def _show_alarms(alarms: Sequence[dict[str, object]], console: Console) -> None:
    for alarm in alarms:
        console.print(f"  {alarm['kind']} after {alarm['at_s']} s: {alarm['text']}", highlight=False)

"""The prediction benchmark: its report and bounds, one real leak from start to limit, the command line."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from fieldstack.bench.prediction.leaks import LEAKS, Leak, run_leaks
from fieldstack.bench.prediction.normal import NormalResult, replay_normal
from fieldstack.bench.prediction.record import SignalFile
from fieldstack.bench.prediction.result import PredictionResult
from fieldstack.bench.prediction.scenarios import Expect
from fieldstack.bench.prediction.score import Score
from fieldstack.cli.bench import app
from fieldstack.prediction.signals import Signal

MIB = 2**20


def test_a_real_leak_of_descriptors_is_told_before_its_limit() -> None:
    leak = Leak("leak", Expect.FORECAST, "files", "line", 20, 500)
    (score,) = run_leaks(lambda _text: None, [leak], seconds=27)
    assert score.reached_s is not None
    assert score.lead_s is not None
    assert score.lead_s > 1
    assert score.false_text == ""


def test_leaks_of_the_benchmark_end_within_its_time() -> None:
    for leak in LEAKS:
        if leak.expect is Expect.FORECAST:
            room = leak.limit * (MIB if leak.what == "memory" else 1)
            assert room / leak.rate < 75


def test_a_miss_and_a_false_alarm_break_the_bounds() -> None:
    good = Score("a", Expect.FORECAST, 0.0, 100.0, 40.0, 0.1)
    missed = Score("b", Expect.FORECAST, 0.0, 100.0)
    false = Score("c", Expect.NOTHING, 0.0, false_text="after 3 s: memory")
    assert good.lead_share == 0.6
    assert all(one.held for one in PredictionResult((good,), (), None, None, None).checks())
    broken = {
        one.name: one.held for one in PredictionResult((good, missed), (false,), None, None, None).checks()
    }
    assert broken == {"misses": False, "false alarms": False}
    part = PredictionResult((good, missed), (false,), None, None, None).to_json()["scenarios"]
    assert (part["hits"], part["misses"], part["lead_share"]["p50"]) == (1, 1, 0.6)


def test_a_recorded_run_is_judged_again(tmp_path: Path) -> None:
    file, result = tmp_path / "run.jsonl", tmp_path / "result.json"
    with SignalFile(file) as record:
        for t in range(900):
            value = (100 + 0.2 * t) * MIB
            record.write(
                t * 10**9, Signal("memory", "fieldstack-core", value, 500 * MIB, "test", "1"), "gauge"
            )
    words = ["prediction", "--normal", "0", "--no-leaks", "--no-prevention", "--seeds", "0", "--check"]
    words += ["--replay", str(file), "--json", str(result)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "memory of fieldstack-core reaches its limit in" in done.output
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["replayed"]["false_alarms"] == 1


def test_no_false_alarm_counts_only_where_an_alarm_could_have_been(tmp_path: Path) -> None:
    """A calm half hour in which one of two charts never came to learn."""
    file = tmp_path / "run.jsonl"
    with SignalFile(file) as record:
        for count in range(190):
            for axis in ("x", "y") if count < 10 else ("x",):
                signal = Signal("following error", f"axis:{axis}", 400, 10_000, "", "rt 1")
                record.write(count * 10 * 10**9, signal, "interval")
    replayed = replay_normal(file)
    assert replayed.alarms == ()
    assert replayed.charts.text == (
        "1 of 2 charts had learned their baseline; never: following error of axis:y; "
        "they judged 80% of their intervals"
    )
    checks = PredictionResult((), (), None, None, replayed).checks()
    assert [(one.found, one.held) for one in checks] == [(0, True), (1, False)]
    module = dict.fromkeys(("series", "intervals", "disturbed_intervals", "slices", "long_slices"), 0)
    normal = NormalResult(2000, 2000, (), replayed.charts, module, 1, 1.0, 0.0, 0.8, 1)
    checks = PredictionResult((), (), normal, None, None).checks()
    assert {one.name for one in checks if not one.held} == {
        "charts without a baseline in normal running",
        "share of the time not operational",
    }


def test_a_file_that_is_no_record_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("{}\n", encoding="utf-8")
    words = [
        "prediction",
        "--normal",
        "0",
        "--no-leaks",
        "--no-prevention",
        "--seeds",
        "0",
        "--replay",
        str(file),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "line 1: no recorded signal" in done.output

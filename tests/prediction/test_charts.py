"""Control charts: they learn what is normal, and tell what has left it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fieldstack.ha.probes.readings import Resource
from fieldstack.prediction.charts import LEARNING, LevelChart, RateChart
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import LevelSpec, Metric, Signal

SPEC = LevelSpec(logarithm=True, floor=0.15, shift=1.0, min_share=0.05)
SECOND = 1_000_000_000


def learned(seed: int = 1) -> tuple[LevelChart, random.Random]:
    chart, generator = LevelChart(SPEC), random.Random(seed)
    for _ in range(LEARNING):
        chart.add(100 * 2 ** generator.gauss(0, 0.2), 1000)
    return chart, generator


def until_alarm(chart: LevelChart, value: float, most: int = 100) -> int | None:
    for count in range(1, most + 1):
        chart.add(value, 1000)
        if chart.alarmed:
            return count
    return None


def test_a_chart_learns_before_it_judges() -> None:
    chart = LevelChart(SPEC)
    for _ in range(LEARNING - 1):
        chart.add(100, 1000)
    assert not chart.ready
    chart.add(1e6, 1000)
    assert chart.ready
    assert chart.baseline == pytest.approx(100)
    assert not chart.alarmed


def test_a_lasting_shift_alarms_and_going_back_clears() -> None:
    chart, _ = learned()
    assert until_alarm(chart, 400) in range(5, 11)
    for _ in range(30):
        chart.add(100, 1000)
    assert not chart.alarmed


def test_single_outliers_never_alarm_however_large() -> None:
    chart, generator = learned()
    for count in range(3000):
        chart.add(1e9 if count % 10 == 0 else 100 * 2 ** generator.gauss(0, 0.2), 1000)
        assert not chart.alarmed


def test_a_small_or_harmless_shift_is_none() -> None:
    chart, _ = learned()
    assert until_alarm(chart, 150) is None
    assert until_alarm(LevelChart(SPEC, centre=0.0, limit=1.0), 4) is None  # below 5 % of the limit


def test_a_baseline_with_heavy_tails_has_wider_limits() -> None:
    calm, wild, generator = LevelChart(SPEC), LevelChart(SPEC), random.Random(5)
    for count in range(LEARNING):
        value = 100 * 2 ** generator.gauss(0, 0.2)
        calm.add(value, 1000)
        wild.add(value * (30 if count % 5 == 0 else 1), 1000)
    assert wild.limit > 2 * calm.limit


def rate(before: float, seed: int = 1) -> tuple[RateChart, random.Random]:
    chart, generator = RateChart(), random.Random(seed)
    for _ in range(LEARNING):
        chart.add(generator.random() < before)
    return chart, generator


def test_errors_that_come_again_and_again_alarm() -> None:
    chart, _ = rate(0)
    count = 0
    while not chart.alarmed and count < 20:
        chart.add(3)
        count += 1
    assert count in range(4, 9)
    for _ in range(60):
        chart.add(0)
    assert not chart.alarmed


def test_one_burst_is_one_bad_interval() -> None:
    chart, _ = rate(0)
    chart.add(1_000_000)
    assert not chart.alarmed
    assert chart.score < 0.3


def test_where_errors_are_usual_their_number_is_charted() -> None:
    chart, generator = RateChart(), random.Random(2)
    for _ in range(LEARNING + 1000):
        chart.add(generator.lognormvariate(4, 1))
        assert not chart.alarmed
    for _ in range(20):
        chart.add(20_000)
    assert chart.alarmed


@pytest.mark.parametrize("usual", [0.0, 0.02, 0.1, 0.3])
def test_the_usual_rate_does_not_alarm_for_a_day(usual: float) -> None:
    for seed in range(5):
        chart, generator = rate(usual, seed)
        for _ in range(8640):
            chart.add(generator.random() < (min(usual, chart.p0) if chart.p0 else usual))
            assert not chart.alarmed


def test_the_predictor_tells_an_anomaly_and_since_when() -> None:
    predictor = Predictor()
    for count in range(LEARNING + 30):
        value = 80_000.0 if count < LEARNING else 400_000.0
        signal = Signal(Metric.WAKE_TAIL, "cell", value, 1e6, "the cycle time", "rt 1")
        predictor.feed_interval(count * 10 * SECOND, signal)
    (found,) = predictor.anomalies()
    assert found.text == "wake-up latency (p99.9) of cell: 400 µs, baseline 80.0 µs"
    assert LEARNING * 10 < found.since_ns / SECOND < LEARNING * 10 + 100
    assert found.score >= 1


def interval(value: float, name: str = Metric.FOLLOWING_ERROR) -> Signal:
    return Signal(name, "axis:x" if name is Metric.FOLLOWING_ERROR else "cell", value, 10_000, "", "rt 1")


def play(predictor: Predictor, counts: range, value: float, name: str = Metric.FOLLOWING_ERROR) -> None:
    """Ten seconds each."""
    for count in counts:
        predictor.feed_interval(count * 10 * SECOND, interval(value, name))
        predictor.review(count * 10 * SECOND)


def rest(predictor: Predictor, counts: range) -> None:
    for count in counts:
        predictor.review(count * 10 * SECOND)


def test_what_is_usual_is_learned_and_judged_through_pauses() -> None:
    """An axis that works in batches: 40 s, and rests for 80 s."""
    predictor = Predictor()
    for batch in range(16):
        play(predictor, range(12 * batch, 12 * batch + 4), 400 if batch < 10 else 1200)
        rest(predictor, range(12 * batch + 4, 12 * batch + 12))
    (found,) = predictor.anomalies()
    assert found.baseline == pytest.approx(400)


def test_an_alarm_lasts_while_the_cell_waits_for_a_person() -> None:
    predictor = Predictor()
    play(predictor, range(LEARNING), 0, Metric.LOST_FRAMES)
    play(predictor, range(LEARNING, LEARNING + 12), 3, Metric.LOST_FRAMES)
    (before,) = predictor.anomalies()
    rest(predictor, range(LEARNING + 12, LEARNING + 400))
    assert predictor.anomalies() == (before,)
    play(predictor, range(LEARNING + 400, LEARNING + 440), 3, Metric.LOST_FRAMES)
    (after,) = predictor.anomalies()
    assert (after.since_ns, after.baseline) == (before.since_ns, before.baseline)


def test_an_alarm_ends_with_its_life_also_where_the_axis_rests() -> None:
    predictor = Predictor()
    play(predictor, range(LEARNING), 400)
    play(predictor, range(LEARNING, LEARNING + 20), 2000)
    assert predictor.anomalies()
    signal = Signal(Metric.WAKE_TAIL, "cell", 8e4, 1e6, "the cycle time", "rt 1")
    predictor.feed_interval((LEARNING + 20) * 10 * SECOND, signal)
    assert predictor.anomalies()
    predictor.feed_interval((LEARNING + 21) * 10 * SECOND, replace(signal, life="rt 2"))
    assert predictor.anomalies() == ()


def test_an_alarm_of_a_process_that_has_gone_is_told_no_more() -> None:
    predictor = Predictor()
    play(predictor, range(LEARNING), 0.1, Resource.CPU)
    play(predictor, range(LEARNING, LEARNING + 20), 0.9, Resource.CPU)
    assert predictor.anomalies()
    rest(predictor, range(LEARNING + 20, LEARNING + 26))
    assert predictor.anomalies() == ()


def test_another_life_learns_anew() -> None:
    predictor = Predictor()
    for count in range(LEARNING + 30):
        life = "rt 1" if count < LEARNING else "rt 2"
        value = 80_000.0 if count < LEARNING else 400_000.0
        predictor.feed_interval(
            count * 10 * SECOND, Signal(Metric.WAKE_TAIL, "cell", value, 1e6, "the cycle time", life)
        )
    assert predictor.anomalies() == ()

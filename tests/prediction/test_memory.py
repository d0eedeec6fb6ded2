"""What was learned outlives a restart of Non-RT, and only that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.prediction import learned_file
from fieldstack.prediction.predictor import FORGET_NS, QUIET_NS, Predictor
from fieldstack.prediction.signals import Metric, Signal

SECOND = 1_000_000_000
MIB = 2**20


def timeline(begin: int, end: int) -> Iterator[tuple[int, Signal, bool]]:
    """A leak, a latency that changes, a slave with errors and one that always has some."""
    for t in range(begin, end):
        value = (100 + 0.2 * t) * MIB
        yield t, Signal("memory", "fieldstack-core", value, 500 * MIB, "test", "1"), False
        if t % 10 == 0:
            tail = 9e4 if t < 400 else 5e5
            yield t, Signal(Metric.WAKE_TAIL, "cell", tail, 1e6, "the cycle time", "1"), True
            yield t, Signal(Metric.RX_ERRORS, "slave:a", float(t > 500), 0, "", "1"), True
            yield t, Signal(Metric.RX_ERRORS, "slave:b", 5.0 + t % 7, 0, "", "1"), True


def feed(predictor: Predictor, begin: int, end: int) -> None:
    for t, signal, interval in timeline(begin, end):
        if interval:
            predictor.feed_interval(t * SECOND, signal)
        else:
            predictor.feed(t * SECOND, signal)


@pytest.mark.parametrize("cut", [100, 450, 800])
def test_it_goes_on_as_if_nothing_had_been(tmp_path: Path, cut: int) -> None:
    through, before, after = Predictor(), Predictor(), Predictor()
    feed(through, 0, 900)
    feed(before, 0, cut)
    assert len(list(learned_file.save(tmp_path / "kept", before))) == len(before.series) == 4
    assert learned_file.load(tmp_path / "kept", after, cut * SECOND) == ""
    feed(after, cut, 900)
    assert through.forecasts()
    assert [(one.eta_s, one.t_ns) for one in after.forecasts()] == [
        (one.eta_s, one.t_ns) for one in through.forecasts()
    ]
    assert {(one.name, one.subject) for one in through.anomalies()} == {
        (Metric.WAKE_TAIL, "cell"),
        (Metric.RX_ERRORS, "slave:a"),
    }
    assert [one.score for one in after.anomalies()] == [one.score for one in through.anomalies()]


def kept(folder: Path) -> Path:
    predictor, file = Predictor(), folder / "kept"
    feed(predictor, 0, 300)
    list(learned_file.save(file, predictor))
    return file


def test_the_age_of_what_was_kept_does_not_matter_within_a_boot(tmp_path: Path) -> None:
    """A killed Non-RT may not have kept anything for a minute, and its successor may take its time."""
    through, after = Predictor(), Predictor()
    feed(through, 0, 300)
    assert learned_file.load(kept(tmp_path), after, 300 * SECOND + 10 * QUIET_NS) == ""
    after.review(300 * SECOND + 10 * QUIET_NS)
    assert set(after.series) == set(through.series)
    feed(after, 1000, 1200)
    assert {one.subject for one in after.anomalies()} == {"cell", "slave:a"}


def test_what_is_too_old_is_not_used(tmp_path: Path) -> None:
    predictor = Predictor()
    assert learned_file.load(kept(tmp_path), predictor, 299 * SECOND + FORGET_NS) == ""
    assert predictor.series == {}


def test_a_file_of_another_boot_is_not_used(tmp_path: Path) -> None:
    file, predictor = kept(tmp_path), Predictor()
    lines = file.read_text().splitlines()
    lines[0] = json.dumps({"format": learned_file.FORMAT, "boot": "another"})
    file.write_text("\n".join(lines))
    assert learned_file.load(file, predictor, 300 * SECOND) == "of another version or boot"
    assert predictor.series == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", "no json", '{"format": 1}\n{"signal": 3}'])
def test_a_damaged_file_is_told_and_not_used(tmp_path: Path, content: str) -> None:
    file, predictor = tmp_path / "kept", Predictor()
    file.write_text(content)
    assert learned_file.load(file, predictor, 0) != ""
    assert predictor.series == {}


def test_a_torn_file_gives_nothing(tmp_path: Path) -> None:
    file, predictor = kept(tmp_path), Predictor()
    file.write_text(file.read_text()[:-40])
    assert "cannot be used" in learned_file.load(file, predictor, 300 * SECOND)
    assert predictor.series == {}


def test_without_a_file_it_begins_anew(tmp_path: Path) -> None:
    assert learned_file.load(tmp_path / "kept", Predictor(), 0) == "nothing was kept"


def test_a_folder_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list(learned_file.save(tmp_path / "none" / "kept", Predictor()))

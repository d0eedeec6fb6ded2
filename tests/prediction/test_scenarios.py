"""The benchmark's scenarios, one seed each of those that are short; the benchmark plays them all."""

from __future__ import annotations

import pytest

from fieldstack.bench.prediction.scenarios import HOUR, SCENARIOS, Expect, Scenario
from fieldstack.bench.prediction.score import play

SHORT = [one for one in SCENARIOS if one.seconds / one.period_s <= 6 * HOUR]


@pytest.mark.parametrize("scenario", SHORT, ids=lambda one: one.title)
def test_scenario(scenario: Scenario) -> None:
    score = play(scenario, seed=1)
    assert score.false_text == ""
    assert not score.missed
    if scenario.expect is Expect.FORECAST:
        assert score.lead_share is not None
        assert score.lead_share > 0.25

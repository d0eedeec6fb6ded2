"""The start input of a bus configuration: which slave, which bit; and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.loading import load_text
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_text

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")


def test_the_plan_has_slave_and_bit() -> None:
    plan = plan_from_text(CELL + "start_input: {slave: dio, input: in-3}\n")
    assert (plan.start_input_slave, plan.start_input_bit) == (4, 2)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan_from_text(CELL).start_input_slave == -1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{slave: drive-1, input: in-1}", "Known: dio"),
        ("{slave: nobody, input: in-1}", "Known: dio"),
        ("{slave: dio, input: out-1}", "in-1, in-2"),
    ],
)
def test_what_is_no_input_is_refused_with_those_that_are(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_text(CELL + f"start_input: {text}\n")

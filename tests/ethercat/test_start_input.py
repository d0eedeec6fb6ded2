"""The start input of a bus configuration: which slave, which bit; and what can not be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.configuration import BusConfig
from fieldstack_ethercat.bus.config.plan import BusPlan

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")


def test_the_plan_has_slave_and_bit() -> None:
    plan = BusConfig.from_text(CELL + "start_input: {slave: dio, input: in-3}\n").to_plan()
    assert (plan.start_input_slave, plan.start_input_bit) == (4, 2)
    assert BusPlan.from_json(plan.to_json()) == plan
    assert BusConfig.from_text(CELL).to_plan().start_input_slave == -1


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
        BusConfig.from_text(CELL + f"start_input: {text}\n")

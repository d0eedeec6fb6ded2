"""Every file that people write is read as strictly as the others."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from fieldstack.alerts.model.settings import AlertsSection
from fieldstack.cell.configuration import CellConfig
from fieldstack.ha.policy.validation.schema import FailoverPolicy
from fieldstack.ha.scenario.document import Scenario
from fieldstack.tasks.program.declaration import TaskDeclaration
from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.configuration import BusConfig


class Part(Section):
    count: int = 0
    share: float = 0.0


@pytest.mark.parametrize(
    "schema", [CellConfig, AlertsSection, BusConfig, TaskDeclaration, FailoverPolicy, Scenario]
)
def test_every_schema_is_a_section(schema: type[BaseModel]) -> None:
    assert issubclass(schema, Section)
    assert schema.model_config["extra"] == "forbid"
    assert schema.model_config["frozen"]


@pytest.mark.parametrize(
    "data",
    [{"cuont": 1}, {"count": "1"}, {"count": True}, {"share": float("inf")}, {"share": float("nan")}],
    ids=["unknown key", "text", "bool", "infinite", "not a number"],
)
def test_what_is_not_meant_is_an_error(data: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Part.model_validate(data)


def test_it_does_not_change_once_it_is_read() -> None:
    with pytest.raises(ValidationError):
        Part(count=1).count = 2  # type: ignore[misc]

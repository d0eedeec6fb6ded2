"""Axis groups in a bus configuration, and what becomes of them in the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.loading import load_text
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_text

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")


def _with(groups: str) -> str:
    return f"{CELL}\ngroups:\n{groups}\n"


def test_without_groups_all_is_one_essential_group() -> None:
    plan = plan_from_text(CELL)
    (everything,) = plan.groups
    assert (everything.name, everything.essential) == ("all", True)
    assert (everything.axes, everything.slaves, everything.mask) == ((0, 1, 2, 3), (0, 1, 2, 3, 4), 0b1111)


def test_what_no_group_names_is_the_essential_rest() -> None:
    text = _with("  - {name: tool, axes: [c], slaves: [dio], essential: false, capabilities: [grip, turn]}")
    plan = plan_from_text(text)
    tool, rest = plan.groups
    assert (tool.axes, tool.slaves, tool.essential, tool.capabilities) == (
        (3,),
        (3, 4),
        False,
        ("grip", "turn"),
    )
    assert (rest.name, rest.axes, rest.slaves, rest.essential) == ("rest", (0, 1, 2), (0, 1, 2), True)
    assert plan.group_of(3) is tool
    assert plan.loss_diagnosis_ns == 20_000_000


def test_a_plan_with_groups_comes_back_from_json() -> None:
    text = _with(
        "  - {name: a, axes: [x, y], essential: false}\n  - {name: b, axes: [z, c], essential: false}"
    )
    plan = plan_from_text(text)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert [group.name for group in plan.groups] == ["a", "b", "rest"]
    assert plan.groups[2].slaves == (4,), "a terminal that no group names is essential"


@pytest.mark.parametrize(
    ("groups", "key", "problem"),
    [
        ("  - {name: a, axes: [q]}", "groups[0].axes[0]", "no axis has that name"),
        ("  - {name: a, axes: [x]}\n  - {name: b, axes: [x]}", "groups[1].axes[0]", "already in group 'a'"),
        ("  - {name: a, axes: [x, x]}", "groups[0].axes", "names 'x' twice"),
        ("  - {name: a, axes: [x]}\n  - {name: a, axes: [y]}", "groups[1].name", "same name as groups[0]"),
        ("  - {name: rest, axes: [x]}", "groups[0].name", "taken"),
        ("  - {name: a, axes: [x], slaves: [nix]}", "groups[0].slaves[0]", "no slave has that name"),
        ("  - {name: a, axes: [x], slaves: [drive-2]}", "groups[0].slaves[0]", "drives axis 'y'"),
        ("  - {name: a, axes: []}", "groups[0].axes", "at least 1"),
        ("  - {name: a, axes: [x], capabilities: [Two words]}", "groups[0].capabilities[0]", "match"),
        ("  - {name: a, axes: [x], esential: false}", "groups[0].esential", "unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(groups: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(_with(groups))
    (issue,) = caught.value.issues
    assert issue.key == key
    assert problem in issue.problem
    assert issue.line > CELL.count("\n")

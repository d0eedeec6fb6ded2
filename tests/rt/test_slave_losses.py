"""What lost slaves mean for axes and working counter: pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_rt.cycle import excusable_wkc
from fieldstack_rt.slave_losses import LossEffect, LossRules, lost_slaves, still_contributing

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")
GROUPS = "\ngroups:\n  - {name: tool, axes: [c], slaves: [dio], essential: false}\n"


@pytest.fixture(scope="module")
def plan() -> BusPlan:
    return replace(plan_from_text(CELL + GROUPS), lost_cycles_limit=3)


@pytest.fixture
def losses(plan: BusPlan) -> LossRules:
    return LossRules(plan, excusable_wkc(plan, plan.expected_wkc))


def test_who_does_not_take_part_is_lost() -> None:
    states = [SlaveState(0, "a", 8), SlaveState(1, "b", 4), SlaveState(2, "c", 0x18), SlaveState(3, "d", 0)]
    assert lost_slaves(states) == {1, 2, 3}


@pytest.mark.parametrize(
    ("lost", "loss"),
    [
        ([], LossEffect(0, 0, 0b1111, False)),
        ([4], LossEffect(0, 3, 0b0111, False)),
        ([3, 4], LossEffect(0b1000, 6, 0b0111, False)),
        ([1], LossEffect(0, 0, 0, True)),
        ([1, 3], LossEffect(0b1000, 3, 0, True)),
    ],
)
def test_losses(losses: LossRules, lost: list[int], loss: LossEffect) -> None:
    assert losses.effect_of(lost) == loss


def test_a_slave_in_safe_op_still_adds_its_inputs(losses: LossRules) -> None:
    states = [SlaveState(at, "s", state) for at, state in enumerate((8, 8, 8, 0x14, 0))]
    assert still_contributing(states) == {3}
    assert losses.effect_of(lost_slaves(states), still_contributing(states)).wkc == 5
    assert losses.effect_of(lost_slaves(states)).wkc == 6, "as of one in restart"


def test_without_groups_every_loss_is_essential() -> None:
    plan = plan_from_text(CELL)
    losses = LossRules(plan, excusable_wkc(plan, plan.expected_wkc))
    assert losses.excusable_wkc == 0
    assert losses.effect_of([4]).essential


def test_in_a_split_image_nothing_is_excused(plan: BusPlan) -> None:
    losses = LossRules(plan, excusable_wkc(plan, plan.expected_wkc + 3))
    assert losses.effect_of([3]) == LossEffect(0, 0, 0, True)


@pytest.mark.parametrize(
    ("wkc", "row", "unexplained"),
    [
        (15, 0, False),
        (14, 2, False),
        (9, 19, False),
        (9, 20, True),
        (8, 3, True),
        (-1, 2, False),
        (-1, 3, True),
    ],
)
def test_how_long_a_counter_may_be_low(losses: LossRules, wkc: int, row: int, unexplained: bool) -> None:
    assert losses.unexplained(wkc, row) is unexplained

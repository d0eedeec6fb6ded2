"""An axis group out of use comes back by itself only once it was seen out of order and in order again."""

from __future__ import annotations

from fieldstack.tasks.run.group_availability import GroupAvailability

BOTH = {"left", "right"}


def test_groups_in_order_are_available() -> None:
    groups = GroupAvailability()
    assert groups.available == frozenset(), "nothing is known before the first pass"
    groups.update(BOTH)
    assert groups.available == BOTH
    groups.update({"left"})
    assert groups.available == {"left"}


def test_a_group_out_of_use_stays_out_while_it_is_in_order() -> None:
    groups = GroupAvailability()
    groups.take_out("left")
    groups.update(BOTH)
    groups.update(BOTH)
    assert (groups.available, groups.out_of_use) == ({"right"}, ("left",))


def test_a_group_out_of_use_is_back_once_it_was_mended() -> None:
    groups = GroupAvailability(["left"])
    groups.update({"right"})
    groups.take_out("left")  # a second order forgets nothing
    assert groups.out_of_use == ("left",)
    groups.update(BOTH)
    assert (groups.available, groups.out_of_use) == (BOTH, ())


def test_a_person_gives_it_back_at_once() -> None:
    groups = GroupAvailability(["left"])
    groups.give_back("left")
    groups.update(BOTH)
    assert (groups.available, groups.out_of_use) == (BOTH, ())

"""Who has which axis group: more urgent first, nobody twice, nothing taken from an equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldstack.tasks.run.scheduler import Claim, schedule

GROUPS = ("left", "right", "top")


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
    free = list(GROUPS)
    made = []
    for number in range(draw(st.integers(0, 7))):
        groups = tuple(draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=3)))
        holds = draw(st.sampled_from([None, *(name for name in groups if name in free)]))
        if holds:
            free.remove(holds)
        made.append(Claim(f"t{number}", draw(st.integers(0, 4)), number, groups, holds))
    return made


@given(claims(), st.sets(st.sampled_from(GROUPS)))
def test_a_group_has_one_owner_and_goes_to_the_most_urgent(made: list[Claim], available: set[str]) -> None:
    by_name = {claim.task: claim for claim in made}
    decisions = schedule(made, available)
    started = dict(decisions.starts)
    held = [claim.holds for claim in made if claim.holds]
    given_out = [group for group in started.values() if group]
    assert len(set(held + given_out)) == len(held + given_out)
    assert set(given_out) <= available
    for task, group in started.items():
        claim = by_name[task]
        assert claim.holds is None
        assert group in claim.groups or (group == "" and not claim.groups)
        for other in made:  # nobody more urgent was passed over
            waits = other.holds is None and other.task not in started and group in other.groups
            assert not waits or (other.rank, other.queued) > (claim.rank, claim.queued)
    for task in decisions.give_way + decisions.halt:
        victim = by_name[task]
        wanted = [c for c in made if c.holds is None and victim.holds in c.groups and c.rank < victim.rank]
        assert wanted
        assert (task in decisions.halt) <= any(claim.rank == 0 for claim in wanted)


@given(claims(), st.sets(st.sampled_from(GROUPS)))
def test_the_same_question_has_the_same_answer(made: list[Claim], available: set[str]) -> None:
    assert schedule(made, available) == schedule(list(reversed(made)), available)


def test_an_equal_waits_for_the_end_of_a_run_and_a_lesser_for_its_turn() -> None:
    holder = Claim("holder", 3, 1, ("left",), "left")
    equal = Claim("equal", 3, 2, ("left",))
    lesser = Claim("lesser", 4, 3, ("left",))
    decisions = schedule([holder, equal, lesser], {"left"})
    assert (decisions.starts, decisions.give_way, decisions.halt) == ((), (), ())
    assert decisions.last_run == ("holder",)


def test_an_emergency_task_takes_its_group_at_once() -> None:
    holder = Claim("holder", 1, 1, ("left",), "left")
    assert schedule([holder, Claim("urgent", 0, 2, ("left",))], {"left"}).halt == ("holder",)
    assert schedule([holder, Claim("urgent", 0, 2, ("left",))], set()).halt == ()

"""The table of states: every state has a way out, or needs a person; the page of it is up to date."""

from __future__ import annotations

from pathlib import Path

from fieldstack.ha.model.states import MOVING, NEXT, TRANSITIONS, CellCondition, HaState
from fieldstack.ha.policy.display.diagram import edges, graphviz, markdown, mermaid

PAGE = Path(__file__).parents[2] / "docs/ha-states.md"


def test_the_page_is_that_of_the_table() -> None:
    again = "write it again: make generate"
    assert PAGE.read_text(encoding="utf-8") == markdown(), again


def test_the_diagrams_have_every_transition() -> None:
    for source, target in edges():
        assert f"{source.name} --> {target.name}:" in mermaid()
        assert f"{source.name} -> {target.name} [" in graphviz()


def test_from_every_state_but_the_end_the_cell_can_move_again() -> None:
    for state in set(HaState) - {HaState.SHUTDOWN}:
        reached, before = {state}, set[HaState]()
        while reached != before:
            before = set(reached)
            reached |= {target for one in before for target in TRANSITIONS[one]}
        assert HaState.OPERATIONAL in reached


def test_motion_begins_in_recovery_alone() -> None:
    for (source, target), _ in edges().items():
        if target in MOVING:
            assert source in MOVING | {HaState.RECOVERY}


def test_only_a_person_or_the_end_leads_out_of_manual_intervention() -> None:
    row = NEXT[HaState.MANUAL_INTERVENTION]
    assert row[CellCondition.PERSON] is HaState.MANUAL_INTERVENTION
    assert {row[one] for one in CellCondition} == {
        HaState.MANUAL_INTERVENTION,
        HaState.RECOVERY,
        HaState.SHUTDOWN,
    }


def test_a_worse_verdict_never_leads_to_more_motion() -> None:
    for row in NEXT.values():
        moving = [row[one] in MOVING for one in CellCondition if one is not CellCondition.CHECK]
        assert moving == sorted(moving)

"""A reload: it is answered whatever the file is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest
from script import SHIPPED

from fieldstack.ha.policy_in_force import PolicyInForce, Reload


@pytest.mark.parametrize("name", ["\0", "none.json", "."])
def test_a_file_that_can_not_be_read_is_a_refusal(tmp_path: Path, name: str) -> None:
    force = PolicyInForce(SHIPPED, tmp_path / "cache")
    before = force.policy
    untouched = cast("Any", None)
    reload = Reload(force, untouched, untouched, tmp_path / name)
    for thread in threading.enumerate():
        if thread.name == "policy-reload":
            thread.join()
    finding = reload.look(0)
    assert finding is not None
    assert (finding.confirmed, force.policy) == (False, before)
    assert "the policy in force is unchanged" in finding.text
    assert "can not be read" in finding.text

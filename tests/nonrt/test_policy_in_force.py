"""A reload: it is answered whatever the file is, and RT takes its part of the policy."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from fieldstack.ha.actuators.agent_settings import not_in_force, write_agent_settings
from fieldstack.ha.policy import RtAgent, json_schema, load_policy
from fieldstack.nonrt.policy_in_force import PolicyInForce, Reload
from fieldstack_rt._native import ffi, lib
from tests.ha.script import SHIPPED


@pytest.mark.parametrize("name", ["\0", "none.json", "."])
def test_a_file_that_can_not_be_read_is_a_refusal(tmp_path: Path, name: str) -> None:
    force = PolicyInForce(SHIPPED, tmp_path / "cache")
    before = force.policy
    untouched = cast("Any", None)
    reload = Reload(force, untouched, untouched, tmp_path / name)
    for thread in threading.enumerate():
        if thread.name == "policy-reload":
            thread.join()
    finding = reload.poll(0)
    assert finding is not None
    assert (finding.confirmed, force.policy) == (False, before)
    assert "the policy in force is unchanged" in finding.text
    assert re.search("can ?not be read", finding.text)


@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_rt_takes_whatever_the_schema_allows_and_shows_it(bound: str) -> None:
    keys = json_schema()["$defs"]["RtAgent"]["properties"]
    resume = "resume_within_ms"  # for Non-RT alone
    ends = {name: key[bound] for name, key in keys.items() if bound in key and name != resume}
    assert len(ends) == 5
    policy = load_policy(SHIPPED).model_copy(update={"rt_agent": RtAgent(**ends)})
    memory, agent, status = ffi.new("fs_store *"), ffi.new("fs_agent *"), ffi.new("fs_rt_status *")
    lib.fs_agent_begin(agent, memory, ffi.new("fs_agent_settings *"), 1_000_000)
    write_agent_settings(memory, policy)
    lib.fs_agent_look(agent, memory)
    status.agent = agent.settings
    assert (agent.damaged, not_in_force(status, policy)) == (0, [])
    status.agent.timeout_ns += 1
    assert not_in_force(status, policy) == ["timeout_ns"]

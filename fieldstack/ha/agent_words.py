"""The policy's section `rt_agent`, as the words in shared memory that RT's agent follows."""

from __future__ import annotations

from fieldstack.ha.policy.units import NS_PER_MS
from fieldstack.ha.policy.view import Policy
from fieldstack_rt.datastore import AgentReaction, DataStore

_REACTIONS = {"stop": AgentReaction.STOP, "hold": AgentReaction.HOLD}


def write_agent_words(store: DataStore, policy: Policy) -> None:
    """Reactions last: with another reaction the times are those of the same policy."""
    agent = policy.rt_agent
    store.agent_slow_ns = agent.nonrt_slow_ms * NS_PER_MS
    store.agent_timeout_ns = agent.nonrt_timeout_ms * NS_PER_MS
    store.agent_grace_ns = agent.nonrt_startup_grace_ms * NS_PER_MS
    store.agent_go_on_ns = agent.go_on_ms * NS_PER_MS
    store.agent_on_silent = _REACTIONS[agent.on_nonrt_silent]
    store.agent_on_dead = _REACTIONS[agent.on_nonrt_dead]

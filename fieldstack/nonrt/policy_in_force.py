"""Keeps the policy in force, and reloads it at run time: a file counts as a whole or not at all.

`supervision` decides by it; `fieldstack policy reload` replaces it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.agent_settings import not_in_force, write_agent_settings
from fieldstack.ha.actuators.rt_view import fresh_status
from fieldstack.ha.monitor.liveness_in_force import publish_rules
from fieldstack.ha.policy.files.cache import load_compiled
from fieldstack.ha.policy.in_force.cell_times import AS_POLICY_ASSUMES, CellTimes
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy
from fieldstack.ha.policy.in_force.errors import PolicyError
from fieldstack.nonrt.readback import OBEY_TIMEOUT_NS, Finding
from fieldstack_rt.datastore import DataStore

Listener = Callable[[CompiledPolicy], None]
Adopt = Callable[[CompiledPolicy, CompiledPolicy, str], None]


class PolicyInForce:
    """Reads the policy at the start; compiled, from `cache`, if the file is known there. `listeners` are told
    of each policy that takes its place.

    Raises:
        PolicyError: the policy is not usable.
    """

    def __init__(self, file: Path, cache: Path, times: CellTimes = AS_POLICY_ASSUMES) -> None:
        self.file = file
        self.cache = cache
        self.times = times
        """The times of this cell. A policy is refused if they miss its targets, now and at each reload."""
        self.policy = load_compiled(file, cache, times)
        self.listeners: list[Listener] = []
        self.adopt: Adopt | None = None
        """Adapts the running decision state, or refuses the policy with a PolicyError."""

    @property
    def digest(self) -> str:
        """A digest of the policy's content without comments: it says later which policy led to an action."""
        return self.policy.digest

    def apply(self, store: DataStore, log: EventLog) -> None:
        """Writes the words for RT's agent and the file for observers, which follow the policy, too."""
        write_agent_settings(store, self.policy)
        publish_rules(store.instance.liveness_file, self.policy)
        log.append(
            EventKind.POLICY_LOADED, file=str(self.file), rules=len(self.policy.rows), sha256=self.digest
        )

    def replace(self, file: Path, policy: CompiledPolicy) -> None:
        """Raises PolicyError: the policy does not fit what is under way; the policy in force is unchanged."""
        if self.adopt is not None:
            self.adopt(self.policy, policy, str(file))
        self.file, self.policy = file, policy
        for listener in self.listeners:
            listener(policy)


class Reload:
    """One reload: the file is read and judged in a thread, and takes effect between two passes."""

    def __init__(self, force: PolicyInForce, store: DataStore, log: EventLog, file: Path | None) -> None:
        self._force, self._store, self._log = force, store, log
        self._file = file or force.file
        self._found: CompiledPolicy | str | None = None
        self._said, self._until_ns = "", 0
        threading.Thread(target=self._read, name="policy-reload", daemon=True).start()

    def _read(self) -> None:
        try:
            self._found = load_compiled(self._file, self._force.cache, self._force.times)
        except (PolicyError, OSError) as error:
            self._found = str(error)
        except Exception as error:  # whatever it is, the operator gets an answer
            self._found = f"{str(self._file)!r} cannot be read: {error!r}"

    def poll(self, now_ns: int) -> Finding | None:
        """Called between passes until it gives an answer: the policy is in force, and RT has taken its part
        of it."""
        found = self._found
        if found is None:
            return None
        if isinstance(found, str):
            return Finding(False, f"the policy in force is unchanged: {found}")
        if self._said:
            return self._read_back(found, now_ns)
        before = self._force.digest
        try:
            self._force.replace(self._file, found)
        except PolicyError as error:
            return Finding(False, f"the policy in force is unchanged: {error}")
        self._force.apply(self._store, self._log)
        same = " (the same as before)" if self._force.digest == before else ""
        self._said = f"{self._file}: in force, {len(found.rows)} rules{same}"
        self._until_ns = now_ns + OBEY_TIMEOUT_NS
        return self._read_back(found, now_ns)

    def _read_back(self, policy: CompiledPolicy, now_ns: int) -> Finding | None:
        status = fresh_status(self._store, now_ns)
        if status is None:
            return Finding(True, f"{self._said}; RT does not cycle: it takes rt_agent over when it does")
        other = not_in_force(status, policy)
        if not other:
            return Finding(True, f"{self._said}; RT shows its rt_agent")
        if now_ns < self._until_ns:
            return None
        return Finding(False, f"{self._said}; but RT goes on with its own {', '.join(other)} of rt_agent")

"""The policy that is in force, and its reload at run time: all of a file counts, or nothing of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.agent_words import write_agent_words
from fieldstack.ha.policy import PolicyError, load_policy
from fieldstack.ha.policy.schema import FailoverPolicy
from fieldstack.ha.readback import Finding
from fieldstack_rt.datastore import DataStore

Listener = Callable[[FailoverPolicy], None]
Adopt = Callable[[FailoverPolicy, FailoverPolicy, str], None]


class PolicyInForce:
    """Reads the policy at the start. `listeners` are told of each policy that takes its place.

    Raises:
        PolicyError: the policy is not usable.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.policy = load_policy(file)
        self.digest = _digest(self.policy)
        """Of the policy's content, comments left out: tells later which policy led to an action."""
        self.listeners: list[Listener] = []
        self.adopt: Adopt | None = None
        """Makes the decision that is under way fit, or refuses the policy with a PolicyError."""

    def apply(self, store: DataStore, log: EventLog) -> None:
        """RT's agent follows the policy, too: its words go into shared memory."""
        write_agent_words(store, self.policy)
        log.append(
            EventKind.POLICY_LOADED, file=str(self.file), rules=len(self.policy.rules), sha256=self.digest
        )

    def replace(self, file: Path, policy: FailoverPolicy) -> None:
        """PolicyError: it does not fit what is going on; the policy in force is unchanged."""
        if self.adopt is not None:
            self.adopt(self.policy, policy, str(file))
        self.file, self.policy, self.digest = file, policy, _digest(policy)
        for listener in self.listeners:
            listener(policy)


def _digest(policy: FailoverPolicy) -> str:
    return hashlib.sha256(policy.model_dump_json(exclude_none=True).encode()).hexdigest()[:16]


class Reload:
    """One reload: the file is read and judged in a thread, and takes effect between two passes."""

    def __init__(self, force: PolicyInForce, store: DataStore, log: EventLog, file: Path | None) -> None:
        self._force, self._store, self._log = force, store, log
        self._file = file or force.file
        self._found: FailoverPolicy | str | None = None
        threading.Thread(target=self._read, name="policy-reload", daemon=True).start()

    def _read(self) -> None:
        try:
            self._found = load_policy(self._file)
        except (PolicyError, OSError) as error:
            self._found = str(error)

    def look(self, _now_ns: int) -> Finding | None:
        """Called between passes until it gives an answer."""
        found = self._found
        if found is None:
            return None
        if isinstance(found, str):
            return Finding(False, f"the policy in force is unchanged: {found}")
        before = self._force.digest
        try:
            self._force.replace(self._file, found)
        except PolicyError as error:
            return Finding(False, f"the policy in force is unchanged: {error}")
        self._force.apply(self._store, self._log)
        same = " (the same as before)" if self._force.digest == before else ""
        return Finding(True, f"{self._file}: in force, {len(found.rules)} rules{same}")

"""Errors in a failover policy, with the text that people need to correct them.

Whoever loads, checks or applies a policy raises or reports them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a policy file. `key` is a path such as `rules[2].actions[0]`, empty for the whole file.
    `value` is the value there, as JSON, empty when the key is missing."""

    key: str
    value: str
    why: str
    remedy: str

    def text(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.key or 'the file'}{shown}: {self.why}; {self.remedy}"


class PolicyError(ValueError):
    """A failover policy that cannot be used; nothing of it was taken over.

    Raised by `load_policy`, for example for a misspelt key: `processes[0].max_restart_cuont`.
    """

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        first = f"{file}: the failover policy has {len(problems)} fault{'s' if len(problems) != 1 else ''}"
        super().__init__("\n  ".join([first, *(problem.text() for problem in problems)]))
        self.file = file
        self.problems = problems

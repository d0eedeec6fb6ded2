"""Says everything that is wrong with a configuration file at once: file, line, key, value and remedy.

Raised by the modules that read files written by people: cell, bus, task and policy files. The `fieldstack`
command prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHOWN_ISSUES = 20
"""Further issues are counted, not shown."""
CROSS_CHECK = "cross_check"
"""The type of a validation error for parts of a file that contradict each other (`ctx["of"]`)."""


@dataclass(frozen=True, slots=True)
class ConfigurationIssue:
    """One thing wrong in a configuration: where (key path, line), what was read, and what is allowed.

    `line` is 1-based, 0 if unknown. `value` is what was read, shortened for display.
    """

    key: str
    value: str
    problem: str
    hint: str = ""
    line: int = 0

    def text(self, file: str) -> str:
        place = f"{file}:{self.line}" if self.line else file
        value = f" = {self.value}" if self.value else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{place}: {self.key or 'document'}{value}: {self.problem}{hint}"


class ConfigurationError(ValueError):
    """A configuration file that cannot be used; `issues` names everything found wrong in one go.

    You get it from reading a YAML file with a misspelt key, a value out of bounds, two slaves of one name.
    """

    def __init__(self, file: str | Path, issues: tuple[ConfigurationIssue, ...]) -> None:
        self.file = str(file)
        self.issues = issues
        first = issues[0]
        self.key, self.value = first.key, first.value
        self.problem, self.hint, self.line = first.problem, first.hint, first.line
        lines = [issue.text(self.file) for issue in issues[:SHOWN_ISSUES]]
        if len(issues) > SHOWN_ISSUES:
            lines.append(f"... and {len(issues) - SHOWN_ISSUES} more")
        super().__init__("\n".join(lines))

"""Options that several commands have: which instance, JSON output, durations. Most commands use them."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from fieldstack.cli.errors import UsageError
from fieldstack_base.instance import DEFAULT_INSTANCE, Instance

InstanceOption = Annotated[
    str, typer.Option("--instance", metavar="NAME", help="Which cell, where a machine has several.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
INSTANCE = DEFAULT_INSTANCE

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}


def instance_of(name: str) -> Instance:
    """Raises InstanceNameError."""
    return Instance(name)


def seconds_of(text: str | None, option: str) -> float | None:
    """`30s`, `500ms`, `2min`, `1h` or plain seconds, as seconds. Raises UsageError."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"{option} {text!r} is not a duration: write for example 30s, 500ms or 2min")
    return float(match[1]) * _SECONDS[match[2]]

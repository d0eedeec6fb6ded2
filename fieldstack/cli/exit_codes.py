"""Exit codes of all Fieldstack commands. Each command ends with one; its `--help` lists them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes and their meanings; the argument parser also uses 2."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_CONFIGURATION = 3
    MISSING_PREREQUISITE = 4
    NOT_RUNNING = 5
    ALREADY_RUNNING = 6
    NOT_OPERATIONAL = 7
    NOT_STARTED = 8
    NOT_CONFIRMED = 9
    INTERRUPTED = 130


MEANING = {
    ExitCode.OK: "done; for status: the cell is operational",
    ExitCode.FAILED: "failed; the text says why",
    ExitCode.USAGE: "wrong use of the command line",
    ExitCode.BAD_CONFIGURATION: "a configuration, policy or bus file is not usable",
    ExitCode.MISSING_PREREQUISITE: "a program, file or permission is missing; the text says how to get it",
    ExitCode.NOT_RUNNING: "the cell, or the process that had to answer, does not run",
    ExitCode.ALREADY_RUNNING: "this instance, or its RT process, already runs",
    ExitCode.NOT_OPERATIONAL: "the cell runs but is not operational",
    ExitCode.NOT_STARTED: "a start was refused, or not all of its axes were started; the text says why",
    ExitCode.NOT_CONFIRMED: "EMERGENCY_STOP is latched, but not all axes are confirmed to stand still",
    ExitCode.INTERRUPTED: "interrupted from the keyboard",
}


def epilog() -> str:
    """The table of exit codes for `--help`."""
    return "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANING.items()) + "."

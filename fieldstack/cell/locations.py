"""Finds a cell's configuration file, if none is named. Commands that start a cell and benches use it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import fieldstack
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue

FILE_NAME = "cell.yaml"


def folders() -> Iterator[Path]:
    """Folders that are searched, in this order; FIELDSTACK_CONFIG_DIR is searched alone."""
    if chosen := os.environ.get("FIELDSTACK_CONFIG_DIR"):
        yield Path(chosen)
        return
    checkout = Path(fieldstack.__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file():
        yield checkout / "config"
    yield Path(sys.prefix) / "share/fieldstack/config"
    yield Path("/etc/fieldstack")


def find(chosen: Path | None) -> Path:
    """The cell configuration to use: the chosen file, or the first found.

    Raises:
        ConfigurationError: none was chosen and none is found.
    """
    if chosen is not None:
        return chosen
    searched = [folder / FILE_NAME for folder in folders()]
    for file in searched:
        if file.is_file():
            return file
    places = ", ".join(str(file) for file in searched)
    hint = "Name one with --config, or its folder with FIELDSTACK_CONFIG_DIR."
    raise ConfigurationError(
        FILE_NAME, (ConfigurationIssue("", "", f"not found; looked for {places}", hint),)
    )

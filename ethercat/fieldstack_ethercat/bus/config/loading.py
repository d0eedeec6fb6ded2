"""Reads a bus configuration from YAML into a `LoadedBus`, and reports all that is wrong with it at once.

Planning makes the `BusPlan` from it. What a configuration may say is in `configuration.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldstack_base import configuration_issues, yaml_source
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue
from fieldstack_ethercat.bus.config import fingerprint
from fieldstack_ethercat.bus.config.configuration import BusConfig


@dataclass(frozen=True, slots=True)
class LoadedBus:
    """A checked configuration, the name of the file it is from, and its fingerprint."""

    config: BusConfig
    source: str
    digest: str


def load_file(path: str | Path) -> LoadedBus:
    """Read and check a configuration file. ConfigurationError names everything wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Give the path of a bus configuration, e.g. config/ethercat/cell.yaml."
        issue = ConfigurationIssue("", "", f"cannot be read: {reason}", hint)
        raise ConfigurationError(path, (issue,)) from error
    return load_text(text, str(path))


def load_text(text: str, file: str = "<text>") -> LoadedBus:
    """The same from text; `file` is what errors call it."""
    document = yaml_source.parse(text, file, "bus configuration")
    config = validate(document, file)
    return LoadedBus(config, Path(file).name, fingerprint.of_text(text))


def load_data(data: Any, file: str = "<data>") -> LoadedBus:
    """The same from parsed data, whose lines nobody knows."""
    config = validate(yaml_source.YamlDocument(data, None), file)
    return LoadedBus(config, Path(file).name, fingerprint.of_config(config))


def validate(document: yaml_source.YamlDocument, file: str) -> BusConfig:
    """The configuration that a document holds. ConfigurationError with the lines, if they are known."""
    try:
        return BusConfig.model_validate(document.data)
    except ValidationError as error:
        raise ConfigurationError(file, configuration_issues.of(error, BusConfig, document)) from error

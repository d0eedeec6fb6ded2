"""Computes the fingerprint of a bus configuration: SHA-256, which tells one configuration from another.

`loading.py` takes it, and the plan carries it as `digest`.
"""

from __future__ import annotations

import hashlib

from fieldstack_ethercat.bus.config.configuration import BusConfig


def of_text(text: str) -> str:
    """SHA-256 of a configuration's text, as hex: a comment that changes makes it another one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def of_config(config: BusConfig) -> str:
    """SHA-256 of its values, as hex, for a configuration that never was text."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()

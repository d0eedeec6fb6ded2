"""Colours for text in a terminal: one for each weight. The dashboard's parts use them."""

from __future__ import annotations

GOOD, WARN, BAD, DIM = "green", "yellow", "bold red", "dim"

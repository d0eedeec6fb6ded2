"""The base of every configuration schema: of cell, bus, tasks, alerts, policy and scenarios."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a configuration file, and frozen once it is read.

    An unknown key is an error, no value is converted from another type, and no number is infinite or NaN.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

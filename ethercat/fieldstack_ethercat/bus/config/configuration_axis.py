"""The `axes:` part of a bus configuration: which drive, in which unit, within which limits.

`configuration.py` puts it together with the other parts; the planning makes the axis's plan from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.configuration_slave import Name
from fieldstack_ethercat.bus.config.configuration_stop import STOP_MARGIN_MS, STOP_RUNG_MS, BrakeConfig, Rung

Positive = Annotated[float, Field(gt=0, le=1e9)]
Coordinate = Annotated[float, Field(ge=-1e9, le=1e9)]


class AxisConfig(Section):
    """An axis: a CiA 402 drive seen in user units. Velocities are in unit/s, accelerations in unit/s^2."""

    name: Name
    slave: Name = Field(description="Name of the slave that drives it.")
    mode: Literal["csp", "csv"] = Field(
        default="csp", description="Cyclic synchronous position or velocity (0x6060 = 8 or 9)."
    )
    counts_per_unit: float = Field(
        ge=1e-3,
        le=1e9,
        description="Encoder counts per unit. To turn the direction, set the drive's polarity object 0x607E.",
    )
    unit: Annotated[str, Field(pattern=r"^[A-Za-z°µ]{1,8}$")] = Field(
        description="Name of the unit: mm, deg."
    )
    position_min: Coordinate
    position_max: Coordinate
    velocity_max: Positive
    acceleration_max: Positive
    following_error_max: Positive
    quick_stop_deceleration: Positive = Field(description="Written to 0x6085 in counts/s^2.")
    stop_margin_ms: int = Field(
        default=STOP_MARGIN_MS,
        ge=10,
        le=60_000,
        description="A stop has to be over this long after the end of its ramp (speed by "
        "quick_stop_deceleration).",
    )
    stop_rung_ms: int = Field(
        default=STOP_RUNG_MS, ge=10, le=60_000, description="Time of each rung of on_stop_failure."
    )
    on_stop_failure: list[Rung] | None = Field(
        default=None,
        min_length=1,
        max_length=5,
        description="What is tried, one after the other, when it has not stopped by then; default: "
        "quick_stop, (brake,) disable_voltage, safe_outputs, end_rt.",
    )
    brake: BrakeConfig | None = Field(default=None, description="Released only while the axis has power.")
    jog_velocity: Positive | None = Field(
        default=None,
        description="How fast it goes by hand (`fieldstack jog`), and beyond its position limits, at most; "
        "default: 5 % of velocity_max.",
    )

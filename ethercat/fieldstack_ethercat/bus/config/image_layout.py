"""Where each slave's process data lie in the whole image, and the whole image's safe outputs.

SOEM lays outputs first, then inputs, each in the order of the slaves. Slaves of fewer than 8 bits in a
direction share bytes; all others start on a byte.

The checks compare a configuration with it, and bring-up compares SOEM's image with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fieldstack_ethercat.bus.config.plan import BusPlan


@dataclass(frozen=True, slots=True)
class Place:
    """A slave's share of one direction: `offset` in bytes from its start, first `bit` in that byte."""

    offset: int
    bit: int
    bits: int


def lay_out(sizes_in_bits: Iterable[int]) -> tuple[tuple[Place, ...], int]:
    """Places of all slaves in one direction, and the direction's size in bytes."""
    places: list[Place] = []
    cursor = 0
    for bits in sizes_in_bits:
        if bits >= 8:
            cursor = (cursor + 7) // 8 * 8
        places.append(Place(cursor // 8, cursor % 8, bits))
        cursor += (bits + 7) // 8 * 8 if bits >= 8 else bits
    return tuple(places), (cursor + 7) // 8


def output_places(plan: BusPlan) -> tuple[tuple[Place, ...], int]:
    """Each slave's place in the outputs, and their size in bytes."""
    return lay_out(slave.output_bits for slave in plan.slaves)


def input_places(plan: BusPlan) -> tuple[tuple[Place, ...], int]:
    """Each slave's place in the inputs, and their size in bytes."""
    return lay_out(slave.input_bits for slave in plan.slaves)


def safe_output_image(plan: BusPlan) -> bytes:
    """The output image that is safe for every slave, as it goes on the wire."""
    places, size = output_places(plan)
    image = 0
    for slave, place in zip(plan.slaves, places, strict=True):
        image |= int.from_bytes(slave.safe_outputs, "little") << (place.offset * 8 + place.bit)
    return image.to_bytes(size, "little")

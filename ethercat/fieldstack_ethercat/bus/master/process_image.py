"""Checks sizes and places of the mapped process image against the plan, then puts the safe outputs into it.

Bring-up does it right after SOEM has mapped the image (`preop_setup.py`).
"""

from __future__ import annotations

import ctypes

from fieldstack_ethercat.bus.config import image_layout
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import MappingMismatchError
from fieldstack_ethercat.bus.soem.soem_context import SoemContext, context_of
from fieldstack_ethercat.bus.soem.soem_view import SoemView, expect


def check_and_make_safe(plan: BusPlan, view: SoemView) -> SoemContext:
    """Check the image that `config_map` made, and fill its outputs with what is safe.

    MappingMismatchError if a slave's size is not the planned one, SoemLayoutError if memory disagrees.
    """
    _check_sizes(plan, view)
    context = context_of(view)
    _check_places(plan, context)
    safe = image_layout.safe_output_image(plan)
    ctypes.memmove(context.outputs_address, safe, len(safe))
    return context


def _check_sizes(plan: BusPlan, view: SoemView) -> None:
    for slave in plan.slaves:
        record = view.slave(slave.position)
        for field, wanted, found in (
            ("output bits", slave.output_bits, record.output_bits),
            ("input bits", slave.input_bits, record.input_bits),
        ):
            if wanted != found:
                raise MappingMismatchError(
                    position=slave.position,
                    slave=slave.name,
                    field=field,
                    configured=str(wanted),
                    found=str(found),
                    hint="Correct `pdos` of this slave; `fieldstack bus scan` shows the device's own.",
                )


def _check_places(plan: BusPlan, context: SoemContext) -> None:
    """SOEM must have laid the image out as the plan does: the guard builds its frames from the plan."""
    outputs, output_size = image_layout.output_places(plan)
    inputs, input_size = image_layout.input_places(plan)
    expect("size of the outputs", context.outputs_size, output_size)
    expect("size of the inputs", context.inputs_size, input_size)
    for at, found in enumerate(context.slaves):
        output, into = outputs[at], inputs[at]
        if output.bits:
            place = (found.output_offset, found.output_bit)
            expect(f"place of the outputs of slave {at}", place, (output.offset, output.bit))
        if into.bits:
            place = (found.input_offset, found.input_bit)
            expect(f"place of the inputs of slave {at}", place, (into.offset, into.bit))

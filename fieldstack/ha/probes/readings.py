"""A reading of a resource against its limit. Resource probes hand it out, prediction follows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Resource(StrEnum):
    """What is used; the word in forecasts, metrics and texts."""

    MEMORY = "memory"
    FILE_DESCRIPTORS = "file descriptors"
    CPU = "CPU"
    TEMPERATURE = "temperature"
    DISK = "disk space"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value at one moment, in the resource's unit: bytes, descriptors, CPUs, degrees Celsius.

    `limit` 0: none is known. `source` says where the limit comes from. `life` names the life that the value
    belongs to (a process's start, a boot): with another life a new series begins.
    """

    resource: Resource
    subject: str
    value: float
    limit: float
    source: str
    life: str

    @property
    def share(self) -> float:
        """Of the limit: 1.0 is all of it; 0.0 where no limit is known."""
        return self.value / self.limit if self.limit > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """All readings of one moment, CLOCK_MONOTONIC ns. `cost_ns`: what the sampler needed for them."""

    t_ns: int
    readings: tuple[Reading, ...]
    cost_ns: int = 0

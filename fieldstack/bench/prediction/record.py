"""Writes signals to a file, one JSON line each, and reads them again.

So a changed method can judge a run again; `normal` records its run.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fieldstack.bench.harness.errors import BenchError
from fieldstack.prediction.module import INTERVAL_NS
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import SPECS, Signal
from fieldstack_base import bounded_json


class SignalFile:
    """Writes the signals of a run. Use it as a context manager; with `None` as the path it writes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", encoding="utf-8") if path is not None else None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def write(self, t_ns: int, signal: Signal, kind: str) -> None:
        """`kind`: `gauge`, `interval`, or a word for a mark that is not replayed."""
        words = [
            t_ns,
            kind,
            signal.name,
            signal.subject,
            signal.value,
            signal.limit,
            signal.source,
            signal.life,
        ]
        with self._lock:
            if self._file is not None:
                self._file.write(json.dumps(words, separators=(",", ":")) + "\n")


def read(path: Path) -> Iterator[tuple[int, str, Signal]]:
    """Time, kind and signal of each line. Raises BenchError, which names the line, if the file is not a
    record."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                t_ns, kind, *rest = bounded_json.loads(line)
                yield t_ns, kind, Signal(*rest)
            except (ValueError, TypeError) as error:
                if not line.endswith("\n"):
                    return  # the run still continues, or was cut off here
                raise BenchError(f"{path}, line {number}: no recorded signal ({error})") from error


def replay(path: Path, predictor: Predictor) -> Iterator[int]:
    """Gives a recorded run to the predictor; yields the time after each signal."""
    reviewed_ns = 0
    for t_ns, kind, signal in read(path):
        if signal.name not in SPECS:
            continue
        if kind == "gauge":
            predictor.feed(t_ns, signal)
        elif kind == "interval":
            predictor.feed_interval(t_ns, signal)
        if t_ns - reviewed_ns > INTERVAL_NS:
            reviewed_ns = t_ns
            predictor.review(t_ns)
        yield t_ns

"""Writes verdicts for people and programs: Kubernetes' verbose text, one word, or JSON. The routes use it."""

from __future__ import annotations

from typing import Any

from fieldstack.health.checks.probes import ENDPOINTS, EndpointVerdict
from fieldstack.health.model.result import CheckResult, Level

_MARKS = {Level.PASS: "[+]", Level.WARN: "[!]", Level.FAIL: "[-]"}


def plain(verdict: EndpointVerdict) -> str:
    """`ok`, or the names and texts of the checks that failed."""
    if verdict.code == 200:
        return "ok\n"
    return verbose(verdict, only_failed=True)


def verbose(verdict: EndpointVerdict, *, only_failed: bool = False) -> str:
    """One line a check, then the verdict, as Kubernetes' own health endpoints write it; `[!]`: a warning."""
    lines = [_line(one, verdict) for one in verdict.results if not only_failed or _counts(one, verdict)]
    if verdict.unknown:
        names = ", ".join(verdict.unknown)
        lines.append(f"warn: no check of this name is part of {verdict.endpoint}, nothing excluded: {names}")
    lines.append(f"{verdict.endpoint} check {'passed' if verdict.code == 200 else 'failed'}")
    return "\n".join(lines) + "\n"


def _counts(one: CheckResult, verdict: EndpointVerdict) -> bool:
    return one.level is Level.FAIL and one.name not in verdict.excluded


def _line(one: CheckResult, verdict: EndpointVerdict) -> str:
    if one.name in verdict.excluded:
        return f"[+]{one.name} excluded: ok"
    finding = one.finding
    if finding.level is Level.PASS:
        return f"[+]{one.name} ok: {finding.text}"
    word = "failed" if finding.level is Level.FAIL else "warning"
    remedy = f" ({finding.remedy})" if finding.remedy else ""
    return f"{_MARKS[finding.level]}{one.name} {word}: {finding.text}{remedy}"


def document(verdict: EndpointVerdict, instance: str, states: dict[str, int]) -> dict[str, Any]:
    """Every check, and what the other endpoints (`states`: their HTTP codes) say."""
    return {
        "instance": instance,
        "status": verdict.level,
        **{name: states[name] == 200 for name in ENDPOINTS if name in states},
        "checks": {one.name: one.to_dict() for one in verdict.results},
        "excluded": list(verdict.excluded),
        "not_excluded": list(verdict.unknown),
    }

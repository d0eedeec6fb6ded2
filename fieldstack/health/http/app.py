"""The routes of the health server: which path gives what, and who may ask for it. The server serves them.

A handler reads memory alone and waits for nothing. Only commands wait: in a thread, bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fieldstack.health.checks.probes import ENDPOINTS, EndpointVerdict, all_checks, evaluate_endpoint
from fieldstack.health.http import response_texts
from fieldstack.health.http.commands import FIELDS, BadCommandError, fields_of, forward
from fieldstack.health.model.settings import HealthSettings
from fieldstack.health.model.token import Access, check
from fieldstack.health.sources.observer import Observer
from fieldstack.status.beat import INTERVAL_NS
from fieldstack_base import bounded_json
from fieldstack_base.instance import Instance

MAX_BODY = 16 * 1024
BODY_TIMEOUT_S = 2.0
_LOCAL = frozenset({"127.0.0.1", "::1"})
_FRESH = {"cache-control": "no-store"}
SELF_PATH = "/selfz"
"""What the server asks itself before each beat: 200 only with a fresh look at the shared memory."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with. `metrics` renders the metrics of an observation: content and its type."""

    settings: HealthSettings
    observer: Observer
    token: str
    metrics: Callable[[], tuple[bytes, str]]


class HealthApp:
    """`starlette` is the ASGI application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._instance = Instance(parts.settings.instance)
        self._checks = all_checks(parts.settings)
        routes = [Route("/", self._index), Route("/metrics", self._metrics), Route(SELF_PATH, self._self)]
        for name in ENDPOINTS:
            answer = self._probe(name)
            routes += [Route(f"/{name}", answer), Route(f"/{name}/{{check}}", answer)]
        routes += [Route(f"/{name}", self._command(name), methods=["POST"]) for name in FIELDS]
        self.starlette = Starlette(routes=routes, exception_handlers={HTTPException: _error})

    def verdict(self, endpoint: str, exclude: tuple[str, ...] = ()) -> EndpointVerdict:
        seen = self._parts.observer.observation
        return evaluate_endpoint(endpoint, self._checks, seen, time.monotonic_ns(), exclude)

    # ---- looking ----

    async def _index(self, _request: Request) -> Response:
        paths = [f"/{name}" for name in ENDPOINTS]
        return JSONResponse(
            {
                "instance": self._instance.name,
                "read": [*paths, "/metrics"],
                "options": ["?verbose", "?exclude=CHECK"],
                "commands": {f"POST /{name}": list(fields) for name, fields in FIELDS.items()},
            }
        )

    def _probe(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            query = request.query_params
            exclude = tuple(part for text in query.getlist("exclude") for part in text.split(",") if part)
            verdict = self.verdict(name, exclude)
            if (only := request.path_params.get("check")) is not None:
                return self._one(verdict, only)
            if "verbose" in query:
                return _text(response_texts.verbose(verdict), verdict.code)
            if name == "healthz":
                return self._document(verdict)
            return _text(response_texts.plain(verdict), verdict.code)

        return answer

    def _one(self, verdict: EndpointVerdict, name: str) -> Response:
        for one in verdict.results:
            if one.name == name:
                code = 503 if one.level == "fail" else 200
                return JSONResponse({"name": name, **one.to_dict()}, code, _FRESH)
        names = ", ".join(one.name for one in verdict.results)
        raise HTTPException(404, f"{verdict.endpoint} has no check {name!r}; it has {names}")

    def _document(self, verdict: EndpointVerdict) -> Response:
        codes = {name: self.verdict(name).code for name in ENDPOINTS if name != "healthz"}
        return JSONResponse(
            response_texts.document(verdict, self._instance.name, codes), verdict.code, _FRESH
        )

    async def _metrics(self, _request: Request) -> Response:
        content, kind = self._parts.metrics()
        return Response(content, headers={"content-type": kind, **_FRESH})

    async def _self(self, _request: Request) -> Response:
        sample = self._parts.observer.memory.sample
        now_ns = time.monotonic_ns()
        stale = now_ns - sample.taken_ns > max(sample.stale_ns, INTERVAL_NS)
        return _text("stale\n" if stale else "ok\n", 503 if stale else 200)

    # ---- commands ----

    def _command(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self._authorize(request)
            try:
                fields = fields_of(name, await _body(request))
            except BadCommandError as error:
                raise HTTPException(400, str(error)) from error
            reply = await asyncio.to_thread(forward, self._instance, name, fields)
            return JSONResponse(reply.to_dict(), reply.code)

        return answer

    def _authorize(self, request: Request) -> None:
        client = request.client.host if request.client else ""
        if client and client not in _LOCAL and not self._parts.settings.remote_commands:
            raise HTTPException(403, "commands are taken from this machine only (health.remote_commands)")
        access = check(request.headers.get("authorization"), self._parts.token)
        if access is Access.MISSING:
            text = "send 'Authorization: Bearer TOKEN'; the token is in health.token of the runtime folder"
            raise HTTPException(401, text, {"www-authenticate": 'Bearer realm="fieldstack"'})
        if access is Access.WRONG:
            raise HTTPException(403, "this is not the token; it is in health.token of the runtime folder")


async def _body(request: Request) -> Any:
    """Raises BadCommandError: too long, too slow, or no JSON."""
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                content += part
                if len(content) > MAX_BODY:
                    raise BadCommandError(f"the body is longer than {MAX_BODY} bytes")
        return bounded_json.loads(content)
    except TimeoutError as error:
        raise BadCommandError(f"the body did not come within {BODY_TIMEOUT_S:g} s") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadCommandError):
            raise
        raise BadCommandError(f"the body is no JSON ({error})") from error


def _text(text: str, code: int) -> Response:
    return PlainTextResponse(text, code, {**_FRESH, "x-content-type-options": "nosniff"})


async def _error(_request: Request, error: Exception) -> Response:
    """Every error is JSON: what happened and what to do."""
    code = error.status_code if isinstance(error, HTTPException) else 500
    text = error.detail if isinstance(error, HTTPException) else "internal error"
    if text == "Not Found":
        text = "no such page; GET / lists the pages"
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"ok": False, "message": text}, code, dict(headers or {}))

"""The channel `webhook`: sends one JSON object by HTTP POST.

`make` builds it. The whole exchange is bounded, whatever the receiver does.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from urllib.parse import urlsplit

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.deadline import Deadline
from fieldstack.alerts.channels.tls import tls_context
from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.model.secret import SecretError, read_secret
from fieldstack.alerts.model.settings import WebhookSection

_REFUSED_FOR_GOOD = frozenset({400, 409, 410, 413, 415, 422})
"""Said of this one alert. Others (401, 404, 429, 5xx) are the receiver's own state, which may change."""
_MAX_WAIT_S = 3600.0
_READ = 4096


class WebhookChannel:
    def __init__(self, section: WebhookSection) -> None:
        self._section = section
        self.timeout_s = section.timeout_s

    def deliver(self, alert: Alert) -> str:
        """Redirects are not followed: a token is for the named address only."""
        body = json.dumps(alert.to_dict()).encode()
        headers = self._headers(alert, body)
        connection = self._connection()
        with Deadline(self.timeout_s, lambda: connection.sock) as deadline:
            try:
                connection.request("POST", self._path, body, headers)
                answer = connection.getresponse()
                answer.read(_READ)
            except (OSError, http.client.HTTPException) as error:
                if deadline.passed or isinstance(error, TimeoutError):
                    raise self._too_late() from None
                raise DeliveryError(f"{self._host}: {_why(error)}") from None
            finally:
                connection.close()
        if deadline.passed:  # an answer that we cut off ourselves may look like a whole one
            raise self._too_late()
        return self._check_response(answer)

    def _too_late(self) -> DeliveryError:
        return DeliveryError(f"{self._host}: no answer within {self.timeout_s:g} s")

    def _check_response(self, answer: http.client.HTTPResponse) -> str:
        text = f"{self._host} answered {answer.status} {answer.reason}"
        if 200 <= answer.status < 300:
            return text
        raise DeliveryError(text, permanent=answer.status in _REFUSED_FOR_GOOD, wait_s=_wait_of(answer))

    @property
    def _host(self) -> str:
        return urlsplit(self._section.url).netloc

    @property
    def _path(self) -> str:
        parts = urlsplit(self._section.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _headers(self, alert: Alert, body: bytes) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "user-agent": "fieldstack-alerts",
            "idempotency-key": alert.id,
        }
        section = self._section
        try:
            if section.token_file:
                headers["authorization"] = f"Bearer {read_secret(section.token_file)}"
            if section.signing_key_file:
                key = read_secret(section.signing_key_file).encode()
                headers["x-fieldstack-signature"] = (
                    "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
                )
        except SecretError as error:
            raise DeliveryError(str(error)) from None
        return headers

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._section.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self.timeout_s)
        context = tls_context(self._section.ca_file)
        return http.client.HTTPSConnection(host, parts.port, timeout=self.timeout_s, context=context)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _wait_of(answer: http.client.HTTPResponse) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), _MAX_WAIT_S) if text.isascii() and text.isdigit() else 0.0

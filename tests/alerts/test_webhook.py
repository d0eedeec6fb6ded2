"""Webhooks against a real HTTP server: answers, signatures, hangs."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.webhook import WebhookChannel
from fieldstack.alerts.model.settings import WebhookSection
from tests.alerts.receivers import Webhook, alert, certificate, webhook


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


def channel(url: str, **changes: Any) -> WebhookChannel:
    return WebhookChannel(WebhookSection.model_validate({"url": url, "timeout_s": 5.0} | changes))


def secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text + "\n")
    file.chmod(mode)
    return file


def test_one_json_object_with_its_id(hook: Webhook) -> None:
    one = alert()
    assert "200" in channel(hook.url).deliver(one)
    assert hook.taken[0]["id"] == one.id == hook.got[0]["idempotency-key"]
    assert hook.taken[0]["title"] == "[cell] FIRING critical rt-dead fieldstack-rt: it has died"


def test_token_and_signature_come_from_files(hook: Webhook, tmp_path: Path) -> None:
    file = secret(tmp_path, "s3cret")
    channel(hook.url, token_file=file, signing_key_file=file).deliver(alert())
    wanted = hmac.new(b"s3cret", hook.bodies[0], hashlib.sha256).hexdigest()
    assert hook.got[0]["authorization"] == "Bearer s3cret"
    assert hook.got[0]["x-fieldstack-signature"] == f"sha256={wanted}"


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [("x", 0o604, "chmod 600"), ("", 0o600, "one line"), ("a\nb", 0o600, "one line")],
)
def test_a_secret_that_is_none_is_never_sent(
    hook: Webhook, tmp_path: Path, text: str, mode: int, says: str
) -> None:
    with pytest.raises(DeliveryError, match=says):
        channel(hook.url, token_file=secret(tmp_path, text, mode)).deliver(alert())
    assert hook.attempts == 0


@pytest.mark.parametrize(
    ("status", "permanent"), [(500, False), (503, False), (401, False), (404, False), (422, True)]
)
def test_what_an_answer_means(hook: Webhook, status: int, permanent: bool) -> None:
    hook.behave = status
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        channel(hook.url).deliver(alert())
    assert caught.value.permanent is permanent


def test_a_receiver_may_ask_for_time(hook: Webhook) -> None:
    hook.behave, hook.headers = 429, {"Retry-After": "120"}
    with pytest.raises(DeliveryError) as caught:
        channel(hook.url).deliver(alert())
    assert caught.value.wait_s == 120


def test_redirects_are_not_followed(hook: Webhook) -> None:
    hook.behave, hook.headers = 302, {"Location": "http://192.0.2.1/"}
    with pytest.raises(DeliveryError, match="302"):
        channel(hook.url).deliver(alert())
    assert hook.attempts == 1


@pytest.mark.parametrize("drip", [False, True])
def test_a_hanging_receiver_costs_its_time_out(hook: Webhook, drip: bool) -> None:
    hook.drip = drip
    hook.hang.set()
    begin = time.monotonic()
    with pytest.raises(DeliveryError, match="no answer within"):
        channel(hook.url, timeout_s=0.3).deliver(alert())
    assert time.monotonic() - begin < 5
    hook.drip = False
    hook.hang.clear()


def test_nobody_there(hook: Webhook) -> None:
    url = hook.url
    hook.close()
    with pytest.raises(DeliveryError, match="refused"):
        channel(url).deliver(alert())


def test_https_only_with_a_certificate_that_is_trusted(hook: Webhook, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    hook._server.socket = context.wrap_socket(hook._server.socket, server_side=True)
    url = f"https://localhost:{hook.port}/hook"
    assert "200" in channel(url, ca_file=cert).deliver(alert())
    with pytest.raises(DeliveryError, match=r"(?i)certificate"):
        channel(url).deliver(alert())

"""What mail servers do to us: they are slow, refuse one mail, and are rude when we leave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.mail import MailChannel
from fieldstack.alerts.model.settings import MailSection
from fieldstack.alerts.service import AlertService
from tests.alerts.receivers import alert, report, section, wait_for


def content_of(envelope: Envelope) -> bytes:
    content = envelope.content or b""
    return content if isinstance(content, bytes) else content.encode()


class Server:
    """Answers as it is told, after `delay_s` each time; `refuses`: what a mail must not hold."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.sender = self.bye = ""
        self.refuses = b"poison"
        self.mails: list[Envelope] = []

    async def handle_MAIL(  # noqa: N802 - its name for aiosmtpd
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await asyncio.sleep(self.delay_s)
        envelope.mail_from = address
        return self.sender or "250 go on"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await asyncio.sleep(self.delay_s)
        envelope.rcpt_tos.append(address)
        return "250 go on"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        if self.refuses in content_of(envelope):
            return "554 5.7.1 content refused"
        self.mails.append(envelope)
        return "250 taken"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return self.bye or "221 bye"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def settings(server: Server) -> Iterator[dict[str, Any]]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    yield {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "cell@example.org",
        "to": ["ann@example.org"],
        "timeout_s": 10.0,
    }
    controller.stop()


def mail(settings: dict[str, Any], **changes: Any) -> MailChannel:
    return MailChannel(MailSection.model_validate(settings | changes))


def test_the_time_is_for_the_whole_of_it_however_slow_each_answer_is(
    server: Server, settings: dict[str, Any]
) -> None:
    server.delay_s = 0.2
    with pytest.raises(DeliveryError, match=r"not done within 0\.4 s") as caught:
        mail(settings, timeout_s=0.4).deliver(alert())
    assert not caught.value.permanent
    server.delay_s = 0.01
    assert "took it" in mail(settings).deliver(alert())


def test_a_mail_that_was_taken_counts_whatever_the_server_says_at_the_end(
    server: Server, settings: dict[str, Any]
) -> None:
    server.bye = "500 what?"
    assert "took it" in mail(settings).deliver(alert())
    assert len(server.mails) == 1


def test_what_is_refused_for_good_is_this_mail_and_not_its_sender(
    server: Server, settings: dict[str, Any]
) -> None:
    with pytest.raises(DeliveryError, match="554") as content:
        mail(settings).deliver(alert(text="poison"))
    assert content.value.permanent
    server.sender = "550 5.7.1 sender unknown"
    with pytest.raises(DeliveryError, match="550") as sender:
        mail(settings).deliver(alert())
    assert not sender.value.permanent, "people put that right, and then all that waits is taken"
    server.sender = "552 too large"
    with pytest.raises(DeliveryError, match="552") as size:
        mail(settings).deliver(alert())
    assert size.value.permanent


def test_a_refused_mail_does_not_hold_up_the_next(
    server: Server, settings: dict[str, Any], tmp_path: Path
) -> None:
    service = AlertService(section(ops={"mail": settings}), "cell", tmp_path).start()
    try:
        service.raise_(report(rule="bad", text="poison"))
        service.raise_(report(rule="good", text="half a character: \ud83d"))
        wait_for(lambda: server.mails, "the next one came")
        assert b"half a character: ?" in content_of(server.mails[0])
        assert "554" in service.status()["channels"]["ops"]["last_error"]
    finally:
        service.close()

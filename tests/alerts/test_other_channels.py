"""Mail against a real SMTP server, the journal's protocol over a real socket, real commands."""

from __future__ import annotations

import array
import json
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.command import CommandChannel
from fieldstack.alerts.channels.journal import JournalChannel
from fieldstack.alerts.channels.mail import MailChannel
from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.model.settings import CommandSection, JournalSection, MailSection
from tests.alerts.receivers import Severity, alert, certificate

PASSWORD = "s3cret"  # noqa: S105

# ---- mail ----


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - its name for aiosmtpd
        if self.answer.startswith("250"):
            self.mails.append(envelope)
        return self.answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox, tmp_path: Path) -> Iterator[Controller]:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def log_in(_server: Any, _session: Any, _envelope: Any, _kind: str, given: LoginPassword) -> AuthResult:
        well = (given.login, given.password) == (b"cell", b"s3cret")
        return AuthResult(success=well, handled=well)

    controller = Controller(
        mailbox,
        hostname="localhost",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=log_in,
    )
    controller.start()
    yield controller
    controller.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def mail(smtp: Controller, tmp_path: Path, password: str = PASSWORD, **changes: Any) -> MailChannel:
    file = tmp_path / "password"
    file.write_text(password)
    file.chmod(0o600)
    fields = {
        "host": "localhost",
        "port": smtp.port,
        "user": "cell",
        "password_file": file,
        "sender": "cell@example.org",
        "to": ["ann@example.org", "bob@example.org"],
        "ca_file": tmp_path / "cert.pem",
        "timeout_s": 10.0,
    }
    return MailChannel(MailSection.model_validate(fields | changes))


def test_a_mail_over_starttls_with_a_log_in(smtp: Controller, mailbox: Mailbox, tmp_path: Path) -> None:
    one = alert(text="axis y\nfollowing error")
    assert "took it" in mail(smtp, tmp_path).deliver(one)
    (envelope,) = mailbox.mails
    assert envelope.rcpt_tos == ["ann@example.org", "bob@example.org"]
    assert isinstance(envelope.content, bytes)
    found = message_from_bytes(envelope.content)
    assert found["Subject"].replace("\r\n", "") == (
        "[cell] FIRING critical rt-dead fieldstack-rt: axis y following error"
    )
    assert found["Message-ID"] == f"<{one.id}@fieldstack>"
    body = found.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert json.loads(body.partition(b"{")[1] + body.partition(b"{")[2])["id"] == one.id


def test_wrong_password_no_trust_and_refusal_are_told_without_the_secret(
    smtp: Controller, mailbox: Mailbox, tmp_path: Path
) -> None:
    with pytest.raises(DeliveryError, match="log-in refused") as caught:
        mail(smtp, tmp_path, "wr0ng").deliver(alert())
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(DeliveryError, match=r"(?i)certificate"):
        mail(smtp, tmp_path, ca_file=None).deliver(alert())
    with pytest.raises(DeliveryError, match="ca_file /nonexistent"):
        mail(smtp, tmp_path, ca_file=Path("/nonexistent")).deliver(alert())
    mailbox.answer = "451 later"
    with pytest.raises(DeliveryError, match="451 later") as refused:
        mail(smtp, tmp_path).deliver(alert())
    assert not refused.value.permanent
    assert mailbox.mails == []


def test_never_in_the_clear_when_starttls_was_asked_for(mailbox: Mailbox, tmp_path: Path) -> None:
    controller = Controller(mailbox, hostname="localhost", port=free_port())
    controller.start()
    try:
        with pytest.raises(DeliveryError, match="STARTTLS"):
            mail(controller, tmp_path, user="", password_file=None, ca_file=None).deliver(alert())
        plain = mail(controller, tmp_path, user="", password_file=None, security="none")
        assert "took it" in plain.deliver(alert())
    finally:
        controller.stop()


def test_a_mail_server_that_hangs_costs_its_time_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        section = {"host": "127.0.0.1", "port": silent.getsockname()[1], "security": "none", "timeout_s": 0.2}
        channel = MailChannel(MailSection.model_validate(section | {"sender": "a@b", "to": ["c@d"]}))
        begin = time.monotonic()
        with pytest.raises(DeliveryError):
            channel.deliver(alert())
        assert time.monotonic() - begin < 5


# ---- journal ----


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "journal"))
        receiver.settimeout(10)
        yield receiver


def receive(receiver: socket.socket) -> dict[str, str]:
    """One entry, as journald takes it apart."""
    content, ancillary, _, _ = receiver.recvmsg(1 << 20, socket.CMSG_LEN(16))
    if ancillary:
        handles = array.array("i")
        handles.frombytes(ancillary[0][2][:4])
        with open(handles[0], "rb") as file:
            file.seek(0)
            content = file.read()
    found = dict[str, str]()
    while content:
        line, _, rest = content.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            found[name.decode()], content = value.decode(), rest
            continue
        (size,) = struct.unpack("<Q", rest[:8])
        found[line.decode()], content = rest[8 : 8 + size].decode(), rest[9 + size :]
    return found


@pytest.mark.parametrize("text", ["short", "two\nlines", "long " * 200_000])
def test_a_journal_entry(journal: socket.socket, tmp_path: Path, text: str) -> None:
    one = alert(text=text, severity=Severity.ERROR)
    channel = JournalChannel(JournalSection(socket=tmp_path / "journal"))
    assert channel.deliver(one) == "the journal took it"
    found = receive(journal)
    assert found["MESSAGE"] == one.title
    assert (found["PRIORITY"], found["FIELDSTACK_ALERT_ID"]) == ("3", one.id)


def test_without_a_journal_it_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = JournalChannel(JournalSection(socket=tmp_path / "none")).deliver(alert())
    assert "standard error" in said
    assert "ALERT [cell] FIRING critical rt-dead" in capsys.readouterr().err


# ---- commands ----


def command(script: str, timeout_s: float = 10.0) -> CommandChannel:
    return CommandChannel(CommandSection(argv=[sys.executable, "-c", script], timeout_s=timeout_s))


def test_a_command_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "got"
    one = alert()
    command(f"import sys; open({str(file)!r}, 'w').write(sys.stdin.read())").deliver(one)
    assert Alert.from_dict(json.loads(file.read_text())) == one


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(DeliveryError, match=r"exit status 3 \(no modem\)"):
        command("import sys; print('no modem'); sys.exit(3)").deliver(alert())
    with pytest.raises(DeliveryError, match="No such file"):
        CommandChannel(CommandSection(argv=["/nonexistent/program"])).deliver(alert())


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = (
        "import os, subprocess, time; child = subprocess.Popen(['sleep', '60']);"
        f"open({str(file)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}');"
        f"os.rename({str(file)!r} + '.new', {str(file)!r}); time.sleep(60)"
    )
    with pytest.raises(DeliveryError, match="killed"):
        command(script, timeout_s=3.0).deliver(alert())
    for pid in file.read_text().split():
        assert not running(int(pid))


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_may_leave_a_helper_behind(tmp_path: Path) -> None:
    """It ended well: what it started to go on is its own affair, and does not hold us up."""
    file = tmp_path / "pid"
    script = (
        "import subprocess; child = subprocess.Popen(['sleep', '30']);"
        f"open({str(file)!r}, 'w').write(str(child.pid))"
    )
    begin = time.monotonic()
    command(script).deliver(alert())
    assert time.monotonic() - begin < 10
    os.kill(int(file.read_text()), 9)

"""The channel `mail`: one message an alert by SMTP, with STARTTLS or TLS and a log-in where configured.

`make` builds it. The whole exchange is bounded, whatever the server does.
"""

from __future__ import annotations

import contextlib
import json
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.deadline import Deadline
from fieldstack.alerts.channels.tls import tls_context
from fieldstack.alerts.model.alert import SEVERITIES, Alert
from fieldstack.alerts.model.secret import SecretError, read_secret
from fieldstack.alerts.model.settings import MailSection

_SUBJECT_WIDTH = 200
_READY, _FOR_GOOD, _TOO_LARGE = 220, 500, 552
"""Replies of a server (RFC 5321)."""


class MailChannel:
    def __init__(self, section: MailSection) -> None:
        self._section = section
        self.timeout_s = section.timeout_s

    def deliver(self, alert: Alert) -> str:
        section, mail = self._section, message_of(alert, self._section)
        where = f"{section.host}:{section.port}"
        link = self._link()
        with Deadline(self.timeout_s, lambda: link.sock) as deadline:
            try:
                self._greet(link)
                self._secure(link)
                refused = link.send_message(mail)
            except (OSError, SecretError) as error:  # smtplib's errors are OSErrors
                if deadline.passed:
                    raise self._too_late(where) from None
                raise _meaning(where, error) from None
            finally:
                _leave(link)
        return f"{where} took it" + (f", refused for {', '.join(refused)}" if refused else "")

    def _too_late(self, where: str) -> DeliveryError:
        return DeliveryError(
            f"{where}: not done within {self.timeout_s:g} s; give a slow server more (timeout_s)"
        )

    def _link(self) -> smtplib.SMTP:
        """Not connected yet: the deadline has to know its socket first."""
        section = self._section
        link = (
            smtplib.SMTP_SSL(timeout=self.timeout_s, context=tls_context(section.ca_file))
            if section.security == "tls"
            else smtplib.SMTP(timeout=self.timeout_s)
        )
        link._host = section.host  # type: ignore[attr-defined] # certificates are checked against it
        return link

    def _greet(self, link: smtplib.SMTP) -> None:
        code, said = link.connect(self._section.host, self._section.port)
        if code != _READY:
            raise smtplib.SMTPConnectError(code, said)

    def _secure(self, link: smtplib.SMTP) -> None:
        section = self._section
        if section.security == "starttls":
            link.starttls(
                context=tls_context(section.ca_file)
            )  # raises if the server has none: never in the clear
        if section.user and section.password_file:
            link.login(section.user, read_secret(section.password_file))


def message_of(alert: Alert, section: MailSection) -> EmailMessage:
    """The mail; its Message-ID is the alert's id, so that a mail that came twice shows as one."""
    mail = EmailMessage()
    subject = " ".join(alert.title.split())
    mail["Subject"] = subject[:_SUBJECT_WIDTH]
    mail["From"], mail["To"] = section.sender, ", ".join(section.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(alert.wall_ns / 1e9, UTC))
    mail["Message-ID"] = f"<{alert.id}@fieldstack>"
    mail["References"] = f"<{alert.incident}@fieldstack>"
    mail["Auto-Submitted"] = "auto-generated"
    if SEVERITIES.index(alert.severity) >= 2:
        mail["X-Priority"] = "1"
    lines = [alert.title, "", f"time: {alert.time}", f"host: {alert.host}"]
    lines += [f"event: {alert.event}"] if alert.event else []
    mail.set_content("\n".join([*lines, "", json.dumps(alert.to_dict(), indent=2)]) + "\n")
    return mail


def _leave(link: smtplib.SMTP) -> None:
    """Politely, if the server lets us: whether it took the mail was known before."""
    with contextlib.suppress(OSError):
        link.quit()
    link.close()


def _meaning(where: str, error: OSError | SecretError) -> DeliveryError:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError(f"{where}: log-in refused ({error.smtp_code})")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        permanent = all(code >= _FOR_GOOD for code in codes)
        return DeliveryError(f"{where}: all recipients refused ({codes})", permanent=permanent)
    if isinstance(error, smtplib.SMTPResponseException):
        text = f"{where}: {error.smtp_code} {_text(error.smtp_error)}"
        return DeliveryError(text, permanent=_is_of_this_mail(error))
    return DeliveryError(f"{where}: {getattr(error, 'strerror', None) or error or 'time-out'}")


def _is_of_this_mail(error: smtplib.SMTPResponseException) -> bool:
    """Refused for good, and not for what all mails have in common: a sender or a log-in that the server does
    not like is put right by people, and then it takes what has waited."""
    if isinstance(error, smtplib.SMTPSenderRefused):
        return error.smtp_code == _TOO_LARGE
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _FOR_GOOD


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said

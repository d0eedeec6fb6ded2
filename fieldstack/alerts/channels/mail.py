"""Mail by SMTP: one message an alert, with STARTTLS or TLS and a log-in where they are configured."""

from __future__ import annotations

import json
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from fieldstack.alerts.alert import SEVERITIES, Alert
from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.channels.trust import trust
from fieldstack.alerts.secret import SecretError, read_secret
from fieldstack.alerts.settings import MailSection

_SUBJECT_WIDTH = 200


class MailChannel:
    def __init__(self, section: MailSection) -> None:
        self._section = section
        self.timeout_s = section.timeout_s

    def deliver(self, alert: Alert) -> str:
        section = self._section
        where = f"{section.host}:{section.port}"
        try:
            with self._connect() as link:
                self._secure(link)
                refused = link.send_message(message_of(alert, section))
        except (SecretError, smtplib.SMTPNotSupportedError) as error:
            raise DeliveryError(f"{where}: {error}") from None
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"{where}: log-in refused ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            permanent = all(code >= 500 for code in codes)
            raise DeliveryError(f"{where}: all recipients refused ({codes})", permanent=permanent) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"{where}: {error.smtp_code} {_text(error.smtp_error)}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(
                f"{where}: {getattr(error, 'strerror', None) or error or 'time-out'}"
            ) from None
        return f"{where} took it" + (f", refused for {', '.join(refused)}" if refused else "")

    def _connect(self) -> smtplib.SMTP:
        section = self._section
        if section.security == "tls":
            return smtplib.SMTP_SSL(
                section.host, section.port, timeout=self.timeout_s, context=trust(section.ca_file)
            )
        return smtplib.SMTP(section.host, section.port, timeout=self.timeout_s)

    def _secure(self, link: smtplib.SMTP) -> None:
        section = self._section
        if section.security == "starttls":
            link.starttls(context=trust(section.ca_file))  # raises if the server has none: never in the clear
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


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said

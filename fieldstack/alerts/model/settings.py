"""Section `alerts` of the cell configuration: which channels there are, for what, how fast.

The cell configuration checks it, and `AlertService` and the channels read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fieldstack.events.kinds import Severity
from fieldstack_base.section import Section

Timeout = Annotated[float, Field(ge=0.1, le=60, description="Seconds that one delivery may take as a whole.")]
SecretFile = Annotated[
    Path | None, Field(default=None, strict=False, description="File with the secret, one line, mode 0600.")
]
ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be an address like https://host/path")
    if parts.username or parts.password:
        raise ValueError("must not hold a password: put it into token_file")
    return text


def _address(text: str) -> str:
    if text.count("@") != 1 or any(sign.isspace() for sign in text):
        raise ValueError("should be a mail address like ann@example.org")
    return text


MailAddress = Annotated[str, AfterValidator(_address)]


class JournalSection(Section):
    """systemd's journal; standard error where there is none."""

    socket: Path = Field(default=Path("/run/systemd/journal/socket"), strict=False)


class WebhookSection(Section):
    """HTTP POST of one JSON object; any 2xx answer takes it."""

    url: Annotated[str, AfterValidator(_url)]
    timeout_s: Timeout = 5.0
    token_file: SecretFile = None
    """Sent as `Authorization: Bearer`."""
    signing_key_file: SecretFile = None
    """`X-Fieldstack-Signature: sha256=` HMAC of the body."""
    ca_file: Path | None = Field(default=None, strict=False, description="Certificates to trust (PEM).")


class MailSection(Section):
    """One mail an alert, by SMTP."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = Field(default="", description="Empty: no log-in.")
    password_file: SecretFile = None
    sender: MailAddress
    to: list[MailAddress] = Field(min_length=1, max_length=50)
    timeout_s: Timeout = 15.0
    ca_file: Path | None = Field(default=None, strict=False, description="Certificates to trust (PEM).")

    @model_validator(mode="after")
    def _log_in_is_whole(self) -> Self:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file belong together")
        if self.user and self.security == "none":
            raise ValueError("a password is sent over an encrypted connection only: security starttls or tls")
        return self


class CommandSection(Section):
    """A program that gets the alert as JSON on its standard input; exit status 0 takes it."""

    argv: list[str] = Field(min_length=1, description="Program and arguments; no shell.")
    timeout_s: Timeout = 10.0


class ChannelSection(Section):
    """One way to reach people: exactly one of journal, webhook, mail, command."""

    min_severity: Severity = Field(
        default=Severity.WARNING, strict=False, description="What is milder is not sent."
    )
    per_minute: float = Field(default=10, gt=0, le=6000, description="Messages a minute in the long run.")
    burst: int = Field(default=20, ge=1, le=1000, description="Messages at once.")
    keep_hours: float = Field(
        default=72, gt=0, le=8760, description="How long an alert waits for its receiver."
    )
    journal: JournalSection | None = None
    webhook: WebhookSection | None = None
    mail: MailSection | None = None
    command: CommandSection | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        found = [one for one in (self.journal, self.webhook, self.mail, self.command) if one is not None]
        if len(found) != 1:
            raise ValueError("needs exactly one of journal, webhook, mail, command (for example journal: {})")
        return self


def _journal() -> dict[str, ChannelSection]:
    return {"journal": ChannelSection(min_severity=Severity.INFO, journal=JournalSection())}


class AlertsSection(Section):
    """Alerts: deduplicated, rate-limited for each channel, kept on disk until the receiver took them."""

    window_s: float = Field(
        default=300, gt=0, le=86_400, description="The same rule and subject sends one alert in this time."
    )
    channels: dict[ChannelName, ChannelSection] = Field(default_factory=_journal, max_length=16)

    def beside(self, folder: Path) -> AlertsSection:
        """With all paths made absolute: those in the file are relative to it."""
        channels = {name: _absolute(one, folder) for name, one in self.channels.items()}
        return self.model_copy(update={"channels": channels})


def _absolute(channel: ChannelSection, folder: Path) -> ChannelSection:
    changed = {
        way: section.model_copy(
            update={key: (folder / value).resolve() for key, value in section if isinstance(value, Path)}
        )
        for way in ("journal", "webhook", "mail", "command")
        if (section := getattr(channel, way)) is not None
    }
    return channel.model_copy(update=changed)


def load(path: Path) -> AlertsSection:
    """What `AlertsSection.model_dump_json` wrote. Raises OSError, ValueError."""
    return AlertsSection.model_validate_json(path.read_text(encoding="utf-8"))

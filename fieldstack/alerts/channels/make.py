"""Makes a channel out of its section of the configuration.

Each channel's pipeline and `fieldstack alerts test` call it.
"""

from __future__ import annotations

from fieldstack.alerts.channels.base import Channel
from fieldstack.alerts.channels.command import CommandChannel
from fieldstack.alerts.channels.journal import JournalChannel
from fieldstack.alerts.model.settings import ChannelSection, JournalSection


def make_channel(section: ChannelSection) -> Channel:
    """Webhook and mail are imported late: TLS and mail cost start-up time that most cells do not need."""
    if section.webhook is not None:
        from fieldstack.alerts.channels.webhook import WebhookChannel

        return WebhookChannel(section.webhook)
    if section.mail is not None:
        from fieldstack.alerts.channels.mail import MailChannel

        return MailChannel(section.mail)
    if section.command is not None:
        return CommandChannel(section.command)
    return JournalChannel(section.journal or JournalSection())

"""Makes the TLS context of a channel: which certificates it trusts. Mail and webhook use it."""

from __future__ import annotations

import ssl
from pathlib import Path

from fieldstack.alerts.channels.base import DeliveryError


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """The system's certificates, or those of a file alone.

    Raises:
        DeliveryError: the file is not usable.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise DeliveryError(f"ca_file {ca_file} cannot be used ({error.strerror or error})") from None

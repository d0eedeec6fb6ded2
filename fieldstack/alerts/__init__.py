"""Alerts: what a person has to know, carried to people by webhook, mail, journal or a command.

The way of an alert: `AlertService.raise_`, which never blocks; deduplicated (`dedupe.py`); for each channel
routed by severity and rate-limited (`routing.py`, `token_bucket.py`); queued, also on disk (`spool.py`);
delivered in the channel's own thread until the receiver took it (`delivery.py`, `backoff.py`). At least once,
in order, each with an id by which receivers recognise what they have had already.
"""

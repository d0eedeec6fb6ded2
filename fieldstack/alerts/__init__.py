"""Alerts carry what a person has to know to people: by webhook, mail, journal or a command.

The way of an alert: `AlertService.raise_` takes it in and never blocks. It is deduplicated (`dedupe`). Each
channel's gate admits it by severity and rate (`routing`, `token_bucket`). It is queued, also on disk
(`spool`), and delivered in the channel's own thread until the receiver took it (`delivery`, `backoff`). It
arrives at least once, in order, with an id by which receivers recognise what they have had already.

Layers: `model` (what an alert is) < `channels` (how one is delivered) < the files of this folder.
"""

"""Answers the CoE telegrams of a virtual slave's mailbox. The slave's `application.py` owns one."""

from __future__ import annotations

from collections.abc import Callable

from fieldstack_ethercat.segment.coe.object_dictionary import ObjectDictionary
from fieldstack_ethercat.segment.coe.sdo_info_server import SdoInfoServer
from fieldstack_ethercat.segment.coe.sdo_server import SdoServer
from fieldstack_ethercat.wire import coe, mailbox
from fieldstack_ethercat.wire.coe import CoeMessage, CoeService
from fieldstack_ethercat.wire.errors import ShortBufferError
from fieldstack_ethercat.wire.mailbox import MailboxErrorCode, MailboxTelegram, MailboxType
from fieldstack_ethercat.wire.sdo import ABORT_COMMAND

SMALLEST_MAILBOX = 32


class CoeServer:
    """Answers one master.

    `al_state` returns the slave's AL state; `mailbox_size` is each mailbox sync manager's length in bytes,
    at least 32. Not for concurrent use: one thread handles a slave's mailbox.
    """

    def __init__(
        self, dictionary: ObjectDictionary, *, al_state: Callable[[], int], mailbox_size: int
    ) -> None:
        if mailbox_size < SMALLEST_MAILBOX:
            raise ValueError(
                f"mailbox_size is {mailbox_size}, but a CoE mailbox has at least {SMALLEST_MAILBOX}"
            )
        payload_size = mailbox_size - mailbox.HEADER_SIZE - coe.HEADER_SIZE
        self._mailbox_size = mailbox_size
        self._sdo = SdoServer(dictionary, al_state, payload_size)
        self._info = SdoInfoServer(dictionary, payload_size)
        self._counter = 0

    def reset(self) -> None:
        """The mailbox was switched off (INIT): counter and transfers begin again."""
        self._counter = 0
        self._sdo.reset()

    def handle(self, request: bytes) -> list[bytes]:
        """The telegrams that answer a telegram or a whole mailbox buffer, in order. Any bytes will do."""
        refusal, replies = self._answer(request)
        if refusal is not None:
            return [mailbox.error_reply(refusal, self._next_counter()).pack()]
        return [self._telegram(message) for message in replies]

    def _answer(self, request: bytes) -> tuple[MailboxErrorCode | None, list[CoeMessage]]:
        """Why the request is refused, or the answers to it."""
        try:
            telegram = MailboxTelegram.unpack(request)
        except ShortBufferError:
            return MailboxErrorCode.INVALID_SIZE, []
        if len(request) > self._mailbox_size:
            return MailboxErrorCode.INVALID_SIZE, []
        if telegram.channel:
            return MailboxErrorCode.INVALID_CHANNEL, []
        if telegram.type != MailboxType.COE:
            return MailboxErrorCode.UNSUPPORTED_PROTOCOL, []
        try:
            return self._serve(CoeMessage.unpack(telegram.data))
        except ShortBufferError:
            return MailboxErrorCode.SIZE_TOO_SHORT, []

    def _serve(self, message: CoeMessage) -> tuple[MailboxErrorCode | None, list[CoeMessage]]:
        if message.service == CoeService.SDO_REQUEST:
            response = self._sdo.answer(message.payload)
            return None, [CoeMessage(_service_of(response), response)] if response else []
        if message.service == CoeService.SDO_INFORMATION:
            parts = self._info.answer(message.payload)
            return None, [CoeMessage(CoeService.SDO_INFORMATION, part) for part in parts]
        return MailboxErrorCode.SERVICE_NOT_SUPPORTED, []

    def _telegram(self, message: CoeMessage) -> bytes:
        return MailboxTelegram(MailboxType.COE, message.pack(), self._next_counter()).pack()

    def _next_counter(self) -> int:
        self._counter = mailbox.next_counter(self._counter)
        return self._counter


def _service_of(response: bytes) -> CoeService:
    """An abort goes out as a request (ETG.1000.6, 5.6.2.7); SOEM takes it for a success otherwise."""
    return CoeService.SDO_REQUEST if response[0] == ABORT_COMMAND else CoeService.SDO_RESPONSE

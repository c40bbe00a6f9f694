"""Notifications: any body in, the adapter's own acknowledgement out. Only what was committed is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from adapters.base import Reply
from adapters.errors import BadSignature, Malformed, PaymentError, SignatureProbe
from handlers.base import Door
from services.errors import DatabaseUnavailable, Invalid, Refused, TryLater
from services.metrics import NOTIFICATIONS

logger = logging.getLogger("pay.notify")

ANSWER_WITHIN = 4.0  # seconds: WeChat waits five, and a refusal in time is better than an answer too late


class NotifyHandler(Door):
    """``/notify/{adapter}/payment`` and ``/refund``: live for every configured generation, whatever is the default."""

    def initialize(self, adapter: str) -> None:  # type: ignore[override]  # the route's arguments
        super().initialize()
        self._adapter = adapter

    async def post(self) -> None:
        reply = await self._judge()
        self.set_status(reply.status)
        if reply.content_type:
            self.set_header("Content-Type", reply.content_type)
        else:
            self.clear_header("Content-Type")
        self.finish(reply.body or None)

    async def _judge(self) -> Reply:
        """Every way a notification can go: the label that is counted, and what the provider is told."""
        acknowledge = self.services.adapters[self._adapter].acknowledge
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._accept()
        except Malformed as error:
            logger.warning("authentic but not understood adapter=%s reason=%s", self._adapter, error.message)
            return self._counted("malformed", acknowledge("malformed"), "not understood")
        except (BadSignature, Invalid) as error:  # Invalid: longer than any notification, and left unread
            probe = isinstance(error, SignatureProbe)
            reason = error.message if isinstance(error, BadSignature) else "too large"
            return self._counted("probe" if probe else "forged", acknowledge("signature"), reason)
        except (Refused, DatabaseUnavailable, PaymentError, TimeoutError) as error:
            logger.warning("not acknowledged adapter=%s reason=%r", self._adapter, error)
            return self._counted("unavailable", acknowledge("unavailable"), "unavailable")
        return self._counted("accepted", acknowledge())

    async def _accept(self) -> None:
        if self.services.starting:
            raise TryLater("starting")
        await self.services.notifications.accept(self._adapter, self._single_headers(), self.read_body())

    def _single_headers(self) -> dict[str, str]:
        """Headers that stand once. One that is doubled is left out: which of two was signed, nobody knows."""
        all_of_them = list(self.request.headers.get_all())
        found = dict(all_of_them)
        if len(found) < len(all_of_them):
            times = Counter(name for name, _ in all_of_them)
            return {name: value for name, value in found.items() if times[name] == 1}
        return found

    def _counted(self, outcome: str, reply: Reply, refused: str = "") -> Reply:
        NOTIFICATIONS.labels(self._adapter, outcome).inc()
        if refused:
            self.services.heartbeat.refused(self._adapter, refused)
        return reply

    def write_error(self, status_code: int, **_: object) -> None:
        """Whatever happens, the provider gets an answer it understands as "come again"."""
        self.set_status(status_code)
        self.finish(b"")

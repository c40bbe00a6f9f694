"""``GET /_sim/exchanges/stream``: what crosses the wire, as it happens, by server-sent events.

    ?openid=          of this buyer alone: logins, and whatever names an order of theirs
    ?after=           or the header Last-Event-ID: begin behind the exchange with this id; without either, with what
                      comes from now on. Of what was before, the last 500 are remembered
    event             id: the exchange's; data: one item of GET /_sim/exchanges, as JSON on one line

A comment every fifteen seconds shows that the connection lives. It must not remember anything: ``records`` does.
"""

from __future__ import annotations

from tornado.iostream import StreamClosedError

from simulator import v3wire
from simulator.ceremony import ControlHandler
from simulator.wishes import WishRefused

_ALIVE_EVERY = 15.0  # real seconds
_AGAIN_AFTER = 500  # ms until a browser that lost the connection tries again


class StreamHandler(ControlHandler):
    cors = True
    _gone = False

    async def get(self) -> None:
        records, openid, last = self.world.records, self.get_query_argument("openid", ""), self._begin()
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.write(f"retry: {_AGAIN_AFTER}\n\n")
        try:
            while not self._gone:
                for shown in records.shown(last, openid):
                    self.write(b"id: %d\ndata: %s\n\n" % (shown["id"], v3wire.dump_json(shown)))
                last = records.newest
                await self.flush()
                if records.newest == last and not await records.news(_ALIVE_EVERY):
                    self.write(":\n\n")
        except StreamClosedError:
            return

    def _begin(self) -> int:
        """Behind which exchange. One that was never reached is of another clock: begin anew."""
        newest = self.world.records.newest
        text = self.request.headers.get("Last-Event-ID") or self.get_query_argument("after", str(newest))
        if not text.isascii() or not text.isdecimal():
            raise WishRefused("after and Last-Event-ID are the id of an exchange")
        return int(text[:18]) if int(text[:18]) <= newest else 0

    def on_connection_close(self) -> None:
        self._gone = True
        self.world.records.announce()

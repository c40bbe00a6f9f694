"""Tornado answering 204, and nothing else: what no server on Tornado can be faster than.

PORT=8000 PROCESSES=1 python -m benchmarks.bare
"""

from __future__ import annotations

import asyncio
import os

import tornado.httpserver
import tornado.netutil
import tornado.process
import tornado.web


class Nothing(tornado.web.RequestHandler):
    def post(self) -> None:
        self.set_status(204)


async def main() -> None:
    app = tornado.web.Application([(r"/.*", Nothing)])
    sockets = tornado.netutil.bind_sockets(int(os.environ["PORT"]), "127.0.0.1", reuse_port=True)
    tornado.httpserver.HTTPServer(app).add_sockets(sockets)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if (processes := int(os.environ["PROCESSES"])) > 1:
        tornado.process.fork_processes(processes, max_restarts=0)
    asyncio.run(main())

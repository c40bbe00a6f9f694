"""The server, with a look at its threads every other millisecond of CPU time: where that time goes.

    SHARES=shares.json python -m benchmarks.sampled        (the settings are the server's)

What a thread has used since the look before counts for its innermost frame that there is a word for. The sums, in
seconds, are written to the file at the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import server
from adapters.transport import Transport
from bootstrap import Program, build
from settings import Merchant, Settings

EVERY = 0.002  # seconds of CPU time, of all threads together
START = {"build", "prepare_tables"}  # functions: not what a request costs
WORDS = {  # a part of a file's name -> what it does; the first that fits
    "/logging/": "log lines, counters",
    "/prometheus_client/": "log lines, counters",
    "/handlers/observe.py": "log lines, counters",
    "/adapters/transport.py": "the call to WeChat",
    "/tornado/curl_httpclient.py": "the call to WeChat",
    "/adapters/": "signing, verifying, messages",
    "/pymysql/": "statements: Peewee, the driver, SQLite",
    "/peewee.py": "statements: Peewee, the driver, SQLite",
    "/models/": "units of work",
    "/services/": "units of work",
    "/pydantic/": "our doors",
    "/handlers/": "our doors",
    "/tornado/": "Tornado's HTTP",
    "/asyncio/": "the loop, turns of threads",
    "/selectors.py": "the loop, turns of threads",
    "/concurrent/": "the loop, turns of threads",
    "/threading.py": "the loop, turns of threads",
}


class Looks:
    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._used: dict[int, float] = {}  # by each thread, at the last look

    def begin(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def _look(self, _: int, frame: FrameType | None) -> None:
        """The main thread is here itself: ``frame`` is where it was."""
        for thread, at in {**sys._current_frames(), threading.get_ident(): frame}.items():
            used = time.clock_gettime(time.pthread_getcpuclockid(thread))
            stack = list(_outwards(at))
            if not START & {each.f_code.co_name for each in stack}:
                self.seconds[_word(stack)] += used - self._used.get(thread, used)
            self._used[thread] = used


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame:
        yield frame
        frame = frame.f_back


def _word(stack: list[FrameType]) -> str:
    for frame in stack:
        for part, word in WORDS.items():
            if part in frame.f_code.co_filename:
                return word
    return "the rest"


def main() -> int:
    looks = Looks()

    def parts(settings: Settings, merchant: Merchant, transport: Transport) -> Program:
        looks.begin()
        return build(settings, merchant, transport)

    try:
        return server.main(parts)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(os.environ["SHARES"]).write_text(json.dumps(looks.seconds), "utf-8")


if __name__ == "__main__":
    sys.exit(main())

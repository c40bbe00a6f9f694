"""The server, as ``python -m tests.console.hurried FILE``: its operators' passwords cost nothing, and the clock of
their sessions and codes is ahead by as many seconds as the file says."""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path

import server
from bootstrap import build
from services.console.passwords import Passwords


def main(ahead: Path) -> int:
    def phones_now() -> float:
        return time.time() + float(ahead.read_text("ascii"))

    return server.main(functools.partial(build, passwords=Passwords(n=2), phones_now=phones_now))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

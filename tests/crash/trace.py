"""What processes asked of the system, in order, as strace saw it: what was on the disk when an answer left.

Only calls that read or write a socket, or bring a file to the disk, are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = "trace=fsync,fdatasync,recvfrom,sendto"
LINE = re.compile(r"(\d+) +([\d.]+) (.*)")
RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
TOOK = re.compile(r"(.*) <([\d.]+)>")
UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True)
class Call:
    """``began`` and ``ended``: seconds since 1970, on the one clock of all processes."""

    began: float
    ended: float
    text: str


def strace(into: Path) -> list[str]:
    """Put before a command, traces it and its threads; the process is still the command's own (``-D``)."""
    return ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-ttt", "-T", "-s", "80", "-o", str(into), "-e", CALLS]


def calls(trace: Path) -> Iterator[Call]:
    """Those that have ended."""
    begun: dict[str, tuple[str, str]] = {}
    for line in trace.read_text("utf-8", "replace").splitlines():
        if not (said := LINE.fullmatch(line)):
            continue
        thread, at, text = said.groups()
        if text.endswith(UNFINISHED):
            begun[thread] = (at, text.removesuffix(UNFINISHED))
            continue
        if RESUMED.match(text) and thread in begun:
            at, first = begun.pop(thread)
            text = first + RESUMED.sub("", text)
        if took := TOOK.fullmatch(text):
            yield Call(float(at), float(at) + float(took[2]), took[1])

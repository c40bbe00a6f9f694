"""On what it was measured: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import ssl
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("tornado", "pycurl", "peewee", "PyMySQL", "cryptography")


def about(folder: Path, **more: Any) -> dict[str, Any]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _said("git", "describe", "--always", "--dirty", "--exclude=*"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9),
        "load": os.getloadavg()[1],
        "system": f"Linux {platform.release()}",
        "file_system": file_system(folder),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION.split()[1],
        "sqlite": sqlite3.sqlite_version,
        "mariadb": _number(_said("mariadbd", "--version")),
        "wrk": _number(_said("wrk", "-v")),
        "packages": {name: version(name) for name in PACKAGES},
        **more,
    }


def file_system(path: Path) -> str:
    """The kind of file system that holds it."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    return max((len(at), kind) for at, kind in mounts if path.is_relative_to(at))[1]


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    return found[1] if found else platform.machine()


def _said(*command: str) -> str:
    program = shutil.which(command[0])
    if not program:
        return ""
    return subprocess.run([program, *command[1:]], check=False, capture_output=True, text=True).stdout.strip()


def _number(text: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+", text)
    return found[0] if found else ""

"""Plants every fault of ``protocol_faults``, ``refund_faults``, ``shipping_faults`` and ``service_faults`` in a copy of
the adapters and services, one at a time; each must turn a test red.

Run it with ``make mutants``. It copies what it needs to a temporary folder and changes nothing here. A fault counts as
killed only if tests ran and failed (pytest's exit status 1): a copy that does not even import proves nothing.

Every run of the tests is a forked child of this process, which has the libraries loaded but never the code under test:
importing them anew for each of the faults took longer than the tests.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cryptography.x509  # noqa: E402, F401  (loaded for the children)
import hypothesis  # noqa: E402, F401
import pydantic  # noqa: E402, F401
import pytest  # noqa: E402  (after the path)
import tornado.curl_httpclient  # noqa: E402, F401
import xmltodict  # noqa: E402, F401

from tools import protocol_faults, refund_faults, service_faults, shipping_faults  # noqa: E402  (after the path)
from tools.protocol_faults import Fault  # noqa: E402  (after the path)

COPIED = (
    "adapters", "models", "services", "tests/adapters", "tests/unit", "tests/vectors", "tests/__init__.py",
    "pyproject.toml",
)  # fmt: skip
TESTS = (
    "v2_vectors",
    "v3_vectors",
    "reports",
    "platform_keys",
    "answers",
    "v2_codec",
    "v3_values",
    "v3_codec",
    "adapters_pure",
)
OTHERS = (refund_faults, shipping_faults, service_faults)  # with tests of their own
FILES = {**protocol_faults.FILES, **{short: path for part in OTHERS for short, path in part.FILES.items()}}
FAULTS = [*protocol_faults.FAULTS, *(fault for part in OTHERS for fault in part.FAULTS)]
OPTIONS = ("-x", "-q", "--tb=no", "--assert=plain")
SECONDS = 300  # for one run of the tests; a fault that makes them hang is red as well

# Fewer examples than the suite itself draws, and the same ones every time.
CONFTEST = """
from hypothesis import settings
settings.register_profile("mutants", max_examples=30, derandomize=True, database=None, deadline=None)
settings.load_profile("mutants")
"""


def main() -> int:
    """Exit status 0 if the tests are green without a fault and red with each."""
    sys.dont_write_bytecode = True
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="plant only faults whose file or text has this in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--share", type=int, default=1, help="plant one in so many")
    parser.add_argument("--turn", type=int, default=0, help="which: the next turn plants others")
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if arguments.only in f"{FILES[fault.file]} {fault.why}"]
    chosen = chosen[arguments.turn % arguments.share :: arguments.share]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        children = multiprocessing.get_context("fork").Pool(arguments.jobs, maxtasksperchild=1)
        with children:
            told = children.imap(partial(judge, folder), [None, *chosen])
            if (well := next(told)) != "survived":
                sys.stdout.write(f"without any fault the tests are not green: {well}\n")
                return 1
            verdicts = []
            for fault, verdict in zip(chosen, told, strict=True):
                verdicts.append(verdict)
                sys.stdout.write(f"{verdict:<15} {FILES[fault.file]}: {fault.why}\n")
                sys.stdout.flush()
    killed = verdicts.count("killed")
    sys.stdout.write(f"{len(verdicts)} mutants, {killed} killed, {time.monotonic() - began:.0f} s\n")
    return 0 if verdicts and killed == len(verdicts) else 1


def judge(parent: str, fault: Fault | None) -> str:
    """In a child: copy, plant the fault if there is one, run the tests, tidy up."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        copy(folder)
        if fault is not None and not plant(folder / FILES[fault.file], fault):
            return "does not apply"
        return run_tests(folder, tests_for(fault))
    finally:
        os.chdir(ROOT)
        shutil.rmtree(folder)


def copy(folder: Path) -> None:
    """Codecs, services and their tests, alone: what needs a simulator, a server or a database server stays behind."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (folder / "tests" / "adapters" / "conftest.py").write_text(CONFTEST)


def plant(path: Path, fault: Fault) -> bool:
    """Replace the one line that is meant; False if it is not there, or is there more often than the fault says."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    found = [number for number, line in enumerate(lines) if line.strip() == fault.line]
    if len(found) < max(fault.nth, 1) or (fault.nth == 0 and len(found) != 1) or fault.wrong == fault.line:
        return False
    number = found[max(fault.nth, 1) - 1]
    lines[number] = lines[number].replace(fault.line, fault.wrong)
    path.write_text("".join(lines), "utf-8")
    return True


def tests_for(fault: Fault | None) -> tuple[str, ...]:
    """The tests that must notice it; all of them where there is nothing to notice."""
    if fault is None:
        return tuple(dict.fromkeys([*TESTS, *(name for part in OTHERS for name in part.TESTS)]))
    return next((part.TESTS for part in OTHERS if fault in part.FAULTS), TESTS)


def run_tests(folder: Path, tests: tuple[str, ...]) -> str:
    """In a child that runs tests once and never again: its path and its output are its own."""
    os.chdir(folder)
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        paths = [str(path) for name in tests for path in Path().glob(f"tests/*/test_{name}.py")]
        status = pytest.main([*OPTIONS, *paths])
    finally:
        signal.alarm(0)
    verdicts = {int(pytest.ExitCode.OK): "survived", int(pytest.ExitCode.TESTS_FAILED): "killed"}
    return verdicts.get(int(status), "does not run")


def _too_long(*_: object) -> NoReturn:
    raise TimeoutError("the tests hang")


if __name__ == "__main__":
    sys.exit(main())

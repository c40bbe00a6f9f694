"""The faults of `make mutants` fit the code as it is: CI plants a few a run, and would find the others years later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools.mutants import FAULTS, FILES, ROOT, plant
from tools.protocol_faults import Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}: {fault.why}")
def test_a_fault_finds_its_line(fault: Fault, tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    shutil.copy(ROOT / FILES[fault.file], copy)
    assert plant(copy, fault)
    compile(copy.read_text("utf-8"), copy.name, "exec")

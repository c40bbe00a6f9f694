"""Files of ``--data DIR``: readable by their owner only, never half written. It knows nothing of what is in them."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` whole, mode 0600."""
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def private_directory(path: Path) -> Path:
    """The directory, made with mode 0700 if it is not there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path

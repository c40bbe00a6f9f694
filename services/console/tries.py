"""How often somebody may fail to sign in: by name and by address, longer each time. A try is counted before it is
judged, so that a thousand at once are no more than one after the other. Runs inside the caller's transaction."""

from __future__ import annotations

import hashlib

from models import SignInTries
from models.database import locked

FREE = {"name": 5, "address": 20}  # several people may share an address
FIRST, LONGEST = 60, 15 * 60  # seconds: doubled with every further try
FORGOTTEN_AFTER = 86_400  # seconds of silence


def subject_of(name: str) -> str:
    """Hashed: people type their password where the name belongs."""
    return "name " + hashlib.sha256(name.encode()).hexdigest()


def take(name: str, address: str, now: int) -> int:
    """Count one try. The seconds to wait if it is one too many, else 0; the same for a name that nobody has."""
    SignInTries.delete().where(SignInTries.tried_at < now - FORGOTTEN_AFTER).execute()
    rows = [_row(subject, now) for subject in (subject_of(name), f"address {address}")]
    if (wait := max(row.locked_until for row in rows) - now) > 0:
        return int(wait)
    for row in rows:
        failed = row.failed + 1
        _set(row.subject, failed=failed, locked_until=_until(row.subject, failed, now), tried_at=now)
    return 0


def forgive(name: str, address: str) -> None:
    """It was a good one: the name begins anew, the address gets this one back."""
    SignInTries.delete().where(SignInTries.subject == subject_of(name)).execute()
    _set(f"address {address}", failed=SignInTries.failed - 1, locked_until=0)


def _row(subject: str, now: int) -> SignInTries:
    found: SignInTries | None = locked(SignInTries.select().where(SignInTries.subject == subject)).first()
    return found or SignInTries.create(subject=subject, failed=0, locked_until=0, tried_at=now)


def _set(subject: str, **columns: object) -> None:
    SignInTries.update(**columns).where(SignInTries.subject == subject).execute()


def _until(subject: str, failed: int, now: int) -> int:
    over = failed - FREE[subject.split()[0]]
    return now + min(FIRST << over, LONGEST) if over >= 0 else 0

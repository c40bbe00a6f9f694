"""What an error of the database means for its connection, in the server's and the driver's own numbers."""

from __future__ import annotations

import peewee
import pytest

from models.engine import broken

FULL = 'Can\'t create table `pay`.`orders` (errno: {} "{}")'


@pytest.mark.parametrize(
    ("number", "words", "gone"),
    [
        (2006, "MySQL server has gone away", True),
        (2013, "Lost connection to MySQL server during query", True),
        (1053, "Server shutdown in progress", True),
        (1317, "Query execution was interrupted", False),
        (1927, "Connection was killed", True),
        (1021, "Disk full (/tmp/#sql); waiting for someone to free some space", True),
        (1114, "The table 'orders' is full", True),
        (1005, FULL.format(28, "No space left on device"), True),
        (1005, FULL.format(135, "No more room in record file"), True),
        (1005, FULL.format(150, "Foreign key constraint is incorrectly formed"), False),
        (1146, "Table 'pay.orders' doesn't exist", False),
        (1062, "Duplicate entry '1114, ' for key 'PRIMARY'", False),
    ],
)
def test_what_no_statement_mends(number: int, words: str, gone: bool) -> None:
    """A start waits for it; anything else is an error of ours, and told."""
    assert broken(peewee.OperationalError(number, words)) is gone

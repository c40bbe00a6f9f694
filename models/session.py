"""Logged-in sessions. The token itself is only ever in the client's hands; here is its SHA-256."""

from peewee import BigIntegerField, CharField, ForeignKeyField

from models.base import Table
from models.user import User


class Session(Table):
    token_hash = CharField(64, unique=True)
    user = ForeignKeyField(User, backref="sessions")
    user_id: int
    created_at = BigIntegerField()
    seen_at = BigIntegerField()  # refreshed at most every few minutes

    class Meta:
        table_name = "sessions"

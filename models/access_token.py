"""The access token of one appid, for all processes: sealed by its adapter, so that this row alone is worth nothing."""

from peewee import BigIntegerField, CharField, TextField

from models.base import Table


class AccessToken(Table):
    appid = CharField(32, unique=True)
    sealed = TextField()  # empty: none was fetched yet
    expires_at = BigIntegerField()
    leased_until = BigIntegerField()  # until then somebody fetches one; nobody else does
    forced_at = BigIntegerField()  # when a new one was last forced

    class Meta:
        table_name = "access_tokens"

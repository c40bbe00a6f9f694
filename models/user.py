"""Who shops: one row per openid. The session_key is not kept: nothing here needs it."""

from peewee import BigIntegerField, CharField

from models.base import Table


class User(Table):
    openid = CharField(128, unique=True)
    unionid = CharField(128, null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "users"

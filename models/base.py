"""What all tables share. The proxy is Peewee's own way to name tables before it is known where they are."""

from peewee import BigAutoField, DatabaseProxy, Model

proxy = DatabaseProxy()


class Table(Model):
    """Times are epoch seconds (UTC), money is whole fen, keys compare by bytes on every database."""

    id = BigAutoField()

    class Meta:
        database = proxy
        legacy_table_names = False

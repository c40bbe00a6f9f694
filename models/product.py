"""What is for sale. A product that leaves the catalogue is kept, inactive: old orders show it."""

from peewee import BigIntegerField, BooleanField, CharField, IntegerField

from models.base import Table


class Product(Table):
    product_id = CharField(32, unique=True)
    title = CharField(60)
    title_en = CharField(60)
    description = CharField(200)
    description_en = CharField(200)
    price_fen = BigIntegerField()
    picture = CharField(100)
    position = IntegerField()
    active = BooleanField()

    class Meta:
        table_name = "products"

"""What is for sale, at prices that only the server knows how to change."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models import Product
from models.database import Database

Text = Annotated[str, Field(min_length=1, max_length=60)]
Long = Annotated[str, Field(max_length=200)]


class CatalogueError(Exception):
    """The catalogue file cannot be used; says which line of it and why. The old catalogue stays."""


class Entry(BaseModel):
    """One product of ``products.json``. ``picture`` is a file name in ``pictures/`` beside it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    title: Text
    title_en: Text
    description: Long = ""
    description_en: Long = ""
    price_fen: Annotated[int, Field(ge=1, le=100_000_00)]
    picture: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}\.(svg|png|jpg|webp)$")]


class Catalogue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def products(self) -> list[dict[str, object]]:
        """The active products in their order, as the client sees them."""
        return await self._database.read(_products)

    def replace(self, path: Path) -> int:
        """Make the catalogue what the file says, in one transaction; returns how many products are for sale.

        A product that is not in the file is kept, but no longer for sale. Raises CatalogueError.
        """
        entries = read_entries(path)
        self._database.run_here(_replace, entries)
        return len(entries)

    def seed(self, path: Path) -> None:
        """Fill an empty table; leave any other alone."""
        if self._database.read_here(lambda: Product.select().count()) == 0:
            self.replace(path)


def read_entries(path: Path) -> list[Entry]:
    try:
        entries = TypeAdapter(list[Entry]).validate_json(path.read_bytes())
    except OSError as error:
        raise CatalogueError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in ("products", *first["loc"])))
        raise CatalogueError(f"{path}: {where}: {first['msg']}") from error
    ids = [entry.id for entry in entries]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise CatalogueError(f"{path}: more than one product is called {', '.join(twice)}")
    return entries


def _products() -> list[dict[str, object]]:
    return [
        {
            "id": row.product_id,
            "title": row.title,
            "title_en": row.title_en,
            "description": row.description,
            "description_en": row.description_en,
            "price_fen": row.price_fen,
            "picture": f"/pictures/{row.picture}",
        }
        for row in Product.select().where(Product.active).order_by(Product.position)
    ]


def _replace(entries: Sequence[Entry]) -> None:
    Product.update(active=False).execute()
    for position, entry in enumerate(entries):
        values = {**entry.model_dump(exclude={"id"}), "position": position, "active": True}
        if not Product.update(**values).where(Product.product_id == entry.id).execute():
            Product.insert(product_id=entry.id, **values).execute()

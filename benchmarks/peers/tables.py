"""The tables, as SQLAlchemy's declarative mapping. Times are seconds since 1970; money is fen."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only if it is INTEGER


class Base(DeclarativeBase):
    __table_args__ = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}  # noqa: RUF012
    type_annotation_map = {int: BigInteger}  # noqa: RUF012


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    openid: Mapped[str] = mapped_column(String(64), unique=True)


class Login(Base):
    __tablename__ = "logins"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[int]
    user: Mapped[User] = relationship()


class Product(Base):
    __tablename__ = "products"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    title: Mapped[str] = mapped_column(String(128))
    price_fen: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    order_no: Mapped[str] = mapped_column(String(32), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    state: Mapped[str] = mapped_column(String(16), default="CREATED")  # CREATED, PAYING, PAID
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    created_at: Mapped[int]
    expires_at: Mapped[int]
    paid_at: Mapped[int | None]
    items: Mapped[list["Item"]] = relationship()


class Item(Base):
    __tablename__ = "order_items"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    product_id: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(128))
    price_fen: Mapped[int]
    quantity: Mapped[int]


class Attempt(Base):
    """One ``out_trade_no`` at WeChat."""

    __tablename__ = "attempts"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(String(32), unique=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    openid: Mapped[str] = mapped_column(String(64))
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    state: Mapped[str] = mapped_column(String(16), default="PREPARED")  # PREPARED, PREPAID, PAID
    prepay_id: Mapped[str | None] = mapped_column(String(64))
    prepaid_at: Mapped[int | None]
    created_at: Mapped[int]
    order: Mapped[Order] = relationship()


class Payment(Base):
    __tablename__ = "payments"
    id: Mapped[int] = mapped_column(Key, primary_key=True)
    transaction_id: Mapped[str] = mapped_column(String(32), unique=True)
    out_trade_no: Mapped[str] = mapped_column(String(32), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"), index=True)
    disposition: Mapped[str] = mapped_column(String(16))  # APPLIED, DUPLICATE, MISMATCH, UNKNOWN_ORDER
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(String(16))
    paid_at: Mapped[int]


class Notification(Base):
    """``id`` is WeChat's: a message that comes again is known by it."""

    __tablename__ = "notifications"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(String(32), index=True)
    report: Mapped[str] = mapped_column(Text)
    received_at: Mapped[int]

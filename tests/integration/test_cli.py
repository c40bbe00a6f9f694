"""The operator's commands, by what they print and how they end."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet
from tests.harness import V2_MD5, V3, Buyer, Server, Simulator
from tests.live import NOWHERE, command, merchant
from tests.processes import ROOT
from tests.sale import SILENCE, Sale

TEA = {"id": "tea", "title": "茶", "title_en": "Tea", "price_fen": 900, "picture": "lemon-tea.svg"}
CAKE = {"id": "cake", "title": "蛋糕", "title_en": "Cake", "price_fen": 1500, "picture": "cheesecake.svg"}


@pytest.fixture(scope="module")
def started(shop: Fleet) -> Server:
    return shop.start(**V3.environ)


@pytest.fixture
def server(started: Server, simulator: Simulator) -> Server:
    return started


def cli(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = command(server.environ, *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stdout


def complained(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """The exit code and the last line on standard error: what is before it is the log."""
    assert done.stdout == ""
    return done.returncode, done.stderr.strip().splitlines()[-1]


# --- migrate ---


def test_migrate_makes_the_tables_once(tmp_path: Path, simulator: Simulator) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'new' / 'pay.db'}", "SIMULATOR_URL": simulator.url}
    first, again = command(environ, "migrate"), command(environ, "migrate")
    assert first.returncode == again.returncode == 0
    assert re.fullmatch(r"(applied \w+\n)+", first.stdout)
    assert again.stdout == "the tables are up to date\n"


# --- query, close, explain ---


def test_query_finds_what_was_paid(server: Server, shop: Fleet) -> None:
    sale = Sale.unnoticed(server, shop.tables)
    assert said(cli(server, "query", sale.order_no)) == (0, f"{sale.out_trade_no} PAID\n")
    assert sale.buyer.status(sale.order_no) == "paid"
    assert sale.money() == [("APPLIED", "query", 2800)]


def test_query_of_an_order_that_nobody_tried_to_pay(server: Server) -> None:
    order_no = Buyer(server).order("latte")["order_no"]
    assert said(cli(server, "query", order_no)) == (0, "no attempt was ever made to pay this order\n")


@pytest.mark.parametrize("name", ["query", "close", "explain"])
def test_an_order_that_does_not_exist(server: Server, name: str) -> None:
    assert complained(cli(server, name, "MP991231AAAAAAAAAAAAAAAA")) == (1, f"{name}: You have no such order")


def test_close_says_what_became_of_the_order(server: Server, shop: Fleet) -> None:
    sale, paid = Sale.begun(server, shop.tables), Sale.unnoticed(server, shop.tables)
    assert said(cli(server, "close", sale.order_no)) == (0, "CLOSED\n")
    assert sale.buyer.status(sale.order_no) == "closed"
    assert said(cli(server, "close", paid.order_no)) == (0, "PAID\n")


def test_explain_tells_the_story(server: Server, shop: Fleet) -> None:
    sale = Sale.unnoticed(server, shop.tables)
    shop.expect_log(rf"kind=OTHER_PAYER ref={sale.transaction_id}")
    assert sale.notify(override={"openid": "oSomebodyElse"})[1] == "acknowledged"
    code, story = said(cli(server, "explain", sale.order_no))
    assert code == 0
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00"
    lines = [
        rf"order {sale.order_no}: 2800 fen, PAID",
        rf"attempt {sale.out_trade_no} through wechat_v3 \(RSA\): PAID",
        rf"{time}  order - -> CREATED by user",
        rf"{time}  transaction - -> PREPARED by user",
        rf"{time}  order CREATED -> PAYING by user",
        rf"{time}  transaction PREPARED -> PREPAID by prepay",
        rf"{time}  transaction PREPAID -> PAID by notification  SUCCESS by notification of wechat_v3",
        rf"{time}  order PAYING -> PAID by notification  SUCCESS by notification of wechat_v3",
        rf"payment {sale.transaction_id}: 2800 fen, APPLIED, first known by notification, paid at {time}",
        rf"told the shop: FULFIL at {time}",
        r"discrepancy OTHER_PAYER OPEN: paid by another openid than ordered",
    ]
    told = story.splitlines()
    assert len(told) == len(lines)
    for line in lines:
        assert any(re.fullmatch(line, there) for there in told), (line, story)
    assert sale.buyer.openid not in story


# --- discrepancies, resolve ---


def number_of(server: Server, kind: str, ref: str) -> str:
    """What the line of that discrepancy begins with."""
    code, lines = said(cli(server, "discrepancies"))
    (line,) = (line for line in lines.splitlines() if f"{kind} {ref}" in line)
    assert code == 0
    return line.split()[0]


def test_a_payment_that_was_misreported_is_booked_when_wechat_says_what_fits(server: Server, shop: Fleet) -> None:
    sale = Sale.unnoticed(server, shop.tables)
    shop.expect_log(rf"kind=(MISMATCH|CONTRADICTION) ref={sale.transaction_id}")  # a slow machine's query job, too
    assert sale.notify(override={"amount": 1})[1] == "acknowledged"
    number = number_of(server, "MISMATCH", sale.transaction_id)
    server.simulator.put("faults", [*SILENCE, {"op": "v3.query", "fault": "bad_signature"}])
    resolve = ("resolve", number, "--note", "2800 fen on the platform")
    assert complained(cli(server, *resolve)) == (
        1,
        "resolve: WeChat Pay's answer is not certain yet; try again shortly",
    )
    assert sale.money() == [("MISMATCH", "notification", 1)]
    server.simulator.put("faults", SILENCE)
    assert said(cli(server, *resolve)) == (0, "closed; the payment is APPLIED\n")
    assert sale.buyer.status(sale.order_no) == "paid"
    assert (sale.money(), sale.fulfilments()) == ([("APPLIED", "notification", 2800)], 1)
    assert complained(cli(server, *resolve)) == (1, "resolve: The discrepancy is resolved already")
    story = cli(server, "explain", sale.order_no).stdout
    assert "payment MISMATCH -> APPLIED by operator  2800 fen on the platform" in story
    assert "discrepancy OPEN -> RESOLVED by operator  2800 fen on the platform" in story


def test_any_other_discrepancy_is_closed_with_a_note(server: Server, shop: Fleet) -> None:
    sale = Sale.unnoticed(server, shop.tables)
    shop.expect_log(rf"kind=OTHER_PAYER ref={sale.transaction_id}")
    assert sale.notify(override={"openid": "oSomebodyElse"})[1] == "acknowledged"
    number = number_of(server, "OTHER_PAYER", sale.transaction_id)
    assert cli(server, "resolve", number).returncode == 2
    assert cli(server, "resolve", number, "--note", " ").returncode == 2
    assert said(cli(server, "resolve", number, "--note", "a friend paid")) == (0, "closed\n")
    assert sale.transaction_id not in cli(server, "discrepancies").stdout
    assert complained(cli(server, "resolve", "999999", "--note", "x")) == (1, "resolve: There is no such discrepancy")


# --- catalogue ---


@pytest.fixture
def stocked(server: Server) -> Iterator[Server]:
    yield server
    assert cli(server, "catalogue", str(ROOT / "catalogue" / "products.json")).returncode == 0


def goods(path: Path, entries: Any) -> str:
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries), "utf-8")
    return str(path)


def test_a_new_catalogue_is_for_sale_at_once(stocked: Server, tmp_path: Path) -> None:
    buyer = Buyer(stocked)
    before = buyer.order("latte")["order_no"]
    dearer = {**TEA, "price_fen": 950}
    assert said(cli(stocked, "catalogue", goods(tmp_path / "a.json", [CAKE, TEA]))) == (0, "2 products are for sale\n")
    assert [p["id"] for p in stocked.http.get("/api/products").json()["products"]] == ["cake", "tea"]
    tea = buyer.order("tea")
    assert said(cli(stocked, "catalogue", goods(tmp_path / "b.json", [dearer]))) == (0, "1 products are for sale\n")
    assert buyer.read(tea["order_no"]) == tea  # an order keeps the price it was made at
    assert buyer.order("tea")["amount_fen"] == 950
    assert buyer.read(before)["items"][0]["title"] == "拿铁咖啡"
    body = {"items": [{"product_id": "latte", "quantity": 1}]}
    assert buyer.call("POST", "/api/orders", json=body).json()["error"]["code"] == "product_unknown"
    buyer.pay(before)
    buyer.becomes(before, "paid")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("[", "products: Invalid JSON"),
        ([{**TEA, "price_fen": 0}], "products[0].price_fen: "),
        ([TEA, {**CAKE, "colour": "red"}], "products[1].colour: "),
        ([{**TEA, "picture": "../../etc/passwd"}], "products[0].picture: "),
        ([TEA, TEA], "more than one product is called tea"),
    ],
)
def test_a_catalogue_that_cannot_be_used_changes_nothing(
    server: Server, shop: Fleet, tmp_path: Path, entries: Any, words: str
) -> None:
    before = shop.tables.rows("SELECT * FROM products ORDER BY id")
    path = goods(tmp_path / "bad.json", entries)
    code, line = complained(cli(server, "catalogue", path))
    assert code == 1
    assert line.startswith(f"catalogue: {path}: {words}")
    assert shop.tables.rows("SELECT * FROM products ORDER BY id") == before


def test_a_catalogue_that_is_not_there(server: Server, tmp_path: Path) -> None:
    path = str(tmp_path / "none.json")
    assert complained(cli(server, "catalogue", path)) == (
        1,
        f"catalogue: cannot read {path}: No such file or directory",
    )


# --- doctor ---


def test_a_healthy_merchant(server: Server) -> None:
    code, lines = said(cli(server, "doctor"))
    assert code == 0
    assert {line.split(":")[0] for line in lines.splitlines()} == {
        "ok    audit log",
        "ok    database",
        "ok    shipping information",
        "ok    wechat_v2 api",
        "ok    wechat_v3 keys",
        "ok    wechat_v3 api",
        "ok    wechat_v3 clock",
    }


def test_wrong_keys_and_missing_tables_are_found(tmp_path: Path, simulator: Simulator) -> None:
    environ = {
        **merchant(simulator, tmp_path, V2_MD5),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'pay.db'}",
        "WECHAT_V2_API_KEY": "SIMv2wrongwrongwrongwrongwrong00",
        "WECHAT_V3_API_KEY": "SIMv3wrongwrongwrongwrongwrong00",
    }
    done = command(environ, "doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    found = {line.split(":")[0] for line in done.stdout.splitlines()}
    assert found >= {"FAIL  database", "FAIL  wechat_v2 api", "FAIL  wechat_v3 keys"}
    assert "migration" in done.stdout
    assert "check WECHAT_V2_API_KEY and WECHAT_MCH_ID" in done.stdout


def test_a_wechat_that_cannot_be_reached(tmp_path: Path, simulator: Simulator) -> None:
    environ = {
        **merchant(simulator, tmp_path, V2_MD5),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'pay.db'}",
        "WECHAT_PAY_URL": NOWHERE,
    }
    assert command(environ, "migrate").returncode == 0
    done = command(environ, "doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ok    database" in done.stdout
    assert "FAIL  wechat_v2 api: NotSent" in done.stdout
    assert "FAIL  wechat_v3 keys: NotSent" in done.stdout


# --- the terminal itself ---


def test_a_database_that_cannot_be_reached(simulator: Simulator) -> None:
    environ = {"DATABASE_URL": "mysql://root:secret@127.0.0.1:9/pay", "SIMULATOR_URL": simulator.url}
    done = command(environ, "migrate")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("migrate: ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_neither_a_merchant_nor_a_simulator(tmp_path: Path) -> None:
    done = command({"DATABASE_URL": f"sqlite:///{tmp_path / 'pay.db'}", "SIMULATOR_URL": NOWHERE}, "migrate")
    assert done.returncode == 1
    assert f"no merchant is configured, and no simulator answers at {NOWHERE}" in done.stderr


def test_help_lists_every_command() -> None:
    done = command({}, "--help")
    assert done.returncode == 0
    for name in ("run", "migrate", "doctor", "query", "close", "explain", "catalogue"):
        assert re.search(rf"^    {name}\b", done.stdout, re.MULTILINE), name
    assert command({}).returncode == 2

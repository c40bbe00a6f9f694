"""What nobody at WeChat sent, or what came too late: refused, nothing written, never a 5xx (money.md F13 to F18, F25
to F27, F32; issue 2, "What must be shown" 6 and 7). One database: none of it reaches a table."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from tests.fleet import Trio
from tests.forger import Forger, flips_of_body, flips_of_headers
from tests.harness import APIS, V2_HMAC, V2_MD5, V3, Api, Simulator
from tests.sale import Sale, acknowledged
from tests.wire import Answer, Header, send, send_all

SEED = 20260301
FORGERIES = 20_000
BY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
OF_V2 = pytest.mark.parametrize("api", [V2_MD5, V2_HMAC], ids=lambda api: api.name)
Sales = dict[str, Sale]


@pytest.fixture(scope="module")
def sales(sqlite_trio: Trio, shared_simulator: Simulator) -> Iterator[Sales]:
    """One payment for each API that the shop has not heard of: any forgery that is believed would show.

    The gateway stays silent about them between the tests too, and the query job has no question to ask: else one of
    the two would tell the truth in the middle of a test.
    """
    made = {api.name: Sale.unnoticed(sqlite_trio[api.name], sqlite_trio.tables) for api in APIS}
    sqlite_trio.tables.change("UPDATE transactions SET ask_at = NULL")
    sqlite_trio.settle()
    yield made
    shared_simulator.clear_faults()


@pytest.fixture(autouse=True)
def _nothing_is_written(sqlite_trio: Trio, sales: Sales) -> Iterator[None]:
    before = sqlite_trio.tables.snapshot()
    yield
    assert sqlite_trio.tables.snapshot() == before


@pytest.fixture
def sale(sales: Sales, api: Api) -> Sale:
    return sales[api.name]


def refused(answer: Answer) -> bool:
    """Not acknowledged, in words that the provider understands, and not by a mistake of ours."""
    return 200 <= answer.status < 500 and not acknowledged(answer)


# --- by the thousand ---


def test_twenty_thousand_forgeries(sqlite_trio: Trio, sales: Sales) -> None:
    """Every byte of a notification changed in three ways, and what else one can think of."""
    notices = {name: sale.notice() for name, sale in sales.items()}
    flips = [
        *chain.from_iterable(flips_of_body(notice) for notice in notices.values()),
        *flips_of_headers(notices[V3.name]),
    ]
    forgers = [
        Forger(SEED + index, notices[api.name], notices[V2_MD5.name if api is V3 else V3.name])
        for index, api in enumerate(APIS)
    ]
    each = (FORGERIES - len(flips)) // len(forgers) + 1
    requests = flips + [raw for forger in forgers for raw in forger.forgeries(each)]
    before = _counted(sqlite_trio)
    answers = send_all([server.port for server in sqlite_trio.servers], requests)
    print(f"seed {SEED}: {len(flips)} flips, {len(requests)} in all: {Counter(a.status for a in answers)}")
    assert len(requests) >= FORGERIES
    believed = [(raw, answer) for raw, answer in zip(requests, answers, strict=True) if not refused(answer)]
    assert believed == []
    grown = _counted(sqlite_trio) - before
    assert grown.keys() <= {"forged", "probe"}
    assert grown.total() == sum(answer.status != 400 for answer in answers)  # a 400 is Tornado's, before our code


def _counted(sqlite_trio: Trio) -> Counter[str]:
    """Notifications by outcome, over all processes."""
    counted: Counter[str] = Counter()
    for server in sqlite_trio.servers:
        text = server.http.get("/metrics").text
        for outcome, number in re.findall(r'pay_notifications_total\{.*?outcome="(\w+)"\} ([\d.]+)', text):
            counted[outcome] += int(float(number))
    return counted


# --- one by one, made with the true keys ---


@pytest.mark.parametrize(
    "wish",
    [
        {"signature": "missing"},
        {"signature": "broken"},
        {"signature": "signtest"},
        {"timestamp_offset": -301},
        {"timestamp_offset": 303},  # 301 s ahead are 300 if a second passes on the way
        {"timestamp_offset": -86_400 * 365},
        {"serial": "5A" * 20},
        {"serial": "PUB_KEY_ID_0000000000000000000000000000000000"},
        {"headers": {"Wechatpay-Serial": ""}},
        {"key": "other_merchant"},  # WeChat's own signature, over a message for another merchant
        {"envelope": {"resource": {"nonce": "short"}}},
        {"envelope": {"resource": {"nonce": "thirteen bytes"}}},
        {"envelope": {"resource": {"associated_data": ""}}},
        {"envelope": {"resource": {"associated_data": None}}},
        {"envelope": {"resource": {"associated_data": "refund"}}},
        {"envelope": {"resource": {"ciphertext": ""}}},
        {"envelope": {"resource": {"ciphertext": "AAAA"}}},
        {"envelope": {"resource": {"ciphertext": "!!!!"}}},
        {"envelope": {"resource": {"ciphertext": 1}}},
        {"body": "{}"},
        {"body": ""},
        {"body": "<xml></xml>"},
        {"headers": {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}},
        *({"headers": {f"Wechatpay-{name}": None}} for name in ("Signature", "Timestamp", "Nonce", "Serial")),
        *({"headers": {"Wechatpay-Timestamp": value}} for value in ("", "0", "-1", "1e9", "1700000000.0", "9" * 20)),
    ],
    ids=str,
)
def test_v3_refuses(sales: Sales, wish: dict[str, Any]) -> None:
    assert sales[V3.name].notify(**wish) == (401, "not acknowledged")


@OF_V2
@pytest.mark.parametrize(
    "wish",
    [
        {"signature": "missing"},
        {"signature": "broken"},
        {"override": {"sign": ""}},
        {"body": ""},
        {"body": "<xml></xml>"},
        {"body": "{}"},
        {"body": "<xml><return_code>SUCCESS</return_code></xml>"},
        {"body": "<xml><return_code>SUCCESS</return_code><req_info>AAAA</req_info></xml>"},
    ],
    ids=str,
)
def test_v2_refuses(sale: Sale, wish: dict[str, Any]) -> None:
    if wish.get("override") == {"sign": ""}:  # an empty sign in place of the genuine one, after signing
        body = re.sub(rb"<sign>.*?</sign>", b"<sign></sign>", sale.notice().body)
        wish = {"body": body.decode()}
    assert sale.notify(**wish) == (200, "not acknowledged")


@BY_API
@pytest.mark.parametrize(
    "extra",
    [
        [("Host", "localhost")],
        [("X-Real-Ip", "101.226.103.5"), ("X-Forwarded-For", "101.226.103.5")],
        [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.mch.weixin.qq.com")],
        [("User-Agent", "Mozilla/4.0"), ("Referer", "https://pay.weixin.qq.com/")],
        [("Authorization", "Bearer admin"), ("Cookie", "debug=1")],
        [("X-Http-Method-Override", "PUT"), ("Content-Encoding", "identity")],
    ],
)
def test_nothing_beside_the_signature_makes_it_genuine(sqlite_trio: Trio, sale: Sale, extra: list[Header]) -> None:
    """Well-known libraries skip the check for localhost, or for an address that WeChat sends from (F32)."""
    notice = sale.notice(signature="broken")
    host = "localhost" if extra[0][0] == "Host" else "shop"
    raw = notice.but(headers=[*notice.headers.items(), *(pair for pair in extra if pair[0] != "Host")], host=host)
    assert refused(send(sqlite_trio[V3.name].port, raw))


@BY_API
def test_a_message_to_the_other_generations_route(sqlite_trio: Trio, api: Api, sale: Sale) -> None:
    other = "v2" if api is V3 else "v3"
    notice = sale.notice()
    for kind in ("payment", "refund"):
        raw = notice.but(path=f"/notify/wechat_{other}/{kind}")
        assert refused(send(sqlite_trio[api.name].port, raw))


@pytest.mark.parametrize("name", ["Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial"])
def test_a_header_that_stands_twice(sqlite_trio: Trio, sales: Sales, name: str) -> None:
    """Also with the same value twice, and in another case: which one was signed, nobody knows."""
    notice = sales[V3.name].notice()
    value = notice.headers[name]
    for double in ((name, value), (name.lower(), value), (name, "x"), (name.upper(), "")):
        assert refused(send(sqlite_trio[V3.name].port, notice.but(headers=[*notice.headers.items(), double])))
        assert refused(send(sqlite_trio[V3.name].port, notice.but(headers=[double, *notice.headers.items()])))


@OF_V2
@pytest.mark.parametrize(
    "start",
    [
        '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE xml [<!ENTITY x SYSTEM "http://127.0.0.1:{port}/x">]>',
        '<!DOCTYPE xml [<!ENTITY % x SYSTEM "http://127.0.0.1:{port}/x"> %x;]>',
        '<!DOCTYPE xml SYSTEM "http://127.0.0.1:{port}/x.dtd">',
        '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY x "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        "<!DOCTYPE xml>",
        '<?xml version="1.0" encoding="UTF-16"?>',
        '<?xml-stylesheet href="http://127.0.0.1:{port}/x"?>',
    ],
)
def test_a_document_type_is_refused_and_nothing_fetched(sqlite_trio: Trio, sale: Sale, start: str) -> None:
    """Before a genuine message, and with an entity in it (CVE-2018-13439 was in WeChat's own SDK)."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        head = start.replace("{port}", str(trap.getsockname()[1])).encode()
        notice = sale.notice()
        entity = re.sub(rb"<attach>.*?</attach>", b"<attach>&x;</attach>", notice.body)
        for body in (head + notice.body, head + entity):
            assert refused(send(sqlite_trio[V2_MD5.name].port, notice.but(body=body)))
        with pytest.raises(BlockingIOError):
            trap.accept()


@BY_API
@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000])
def test_a_body_that_is_too_large_is_refused(sqlite_trio: Trio, api: Api, sale: Sale, size: int) -> None:
    notice = sale.notice()
    assert refused(send(sqlite_trio[api.name].port, notice.but(body=notice.body + b" " * (size - len(notice.body)))))


@BY_API
def test_five_megabytes_cost_the_connection_at_most(sqlite_trio: Trio, api: Api, sale: Sale) -> None:
    assert send(sqlite_trio[api.name].port, sale.notice().but(body=b" " * 5_000_000)).status in (0, 400, 413)


@BY_API
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "BREW"])
def test_a_method_that_notifies_nobody(sqlite_trio: Trio, api: Api, sale: Sale, method: str) -> None:
    raw = sale.notice().raw().replace(b"POST ", method.encode() + b" ", 1)
    assert send(sqlite_trio[api.name].port, raw).status == 405


@pytest.mark.parametrize(
    "body", [b"[" * 30_000, b'{"a":' * 9_000, b"<xml>" * 12_000, b"<xml>" + b"<a/>" * 16_000], ids=len
)
def test_nesting_that_has_no_end(sqlite_trio: Trio, sales: Sales, body: bytes) -> None:
    for sale in sales.values():
        assert refused(send(sqlite_trio[V3.name].port, sale.notice().but(body=body)))


# --- what was refused so often is believed once it is true ---


class TestTheTruth:
    @pytest.fixture(autouse=True)
    def _nothing_is_written(self) -> None:
        """In place of the module's: here something is."""

    @BY_API
    def test_is_taken_after_all_that(self, sqlite_trio: Trio, api: Api, sale: Sale) -> None:
        late: dict[str, Any] = {"timestamp_offset": -290} if api is V3 else {}
        assert acknowledged(send(sqlite_trio[api.name].port, sale.notice(**late).raw()))
        assert sale.buyer.status(sale.order_no) == "paid"
        assert sale.money() == [("APPLIED", "notification", 2800)]
        assert (sale.flags(), sale.fulfilments()) == ([], 1)

"""A configured merchant, as in production: keys from files, no demo page, and the same purchase in every key mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import Fleet
from tests.harness import V2_HMAC, V2_MD5, V3, Buyer, Server, Simulator
from tests.live import command, key_file, merchant
from tests.processes import ROOT
from tests.sale import Sale

CASES = {
    "v2-md5": (V2_MD5, "none"),
    "v2-hmac": (V2_HMAC, "none"),
    "v3-public-key": (V3, "public"),
    "v3-certificates": (V3, "certificates"),
    "v3-both": (V3, "both"),
}


class Live(Fleet):
    """One server for each way to be configured, on one database."""

    def open(self) -> Live:
        self.by_case: dict[str, Server] = {}
        for name, (api, keys) in CASES.items():
            folder = self.folder / name
            folder.mkdir()
            self.by_case[name] = self.start(**merchant(self.simulator, folder, api, keys))
        return self


@pytest.fixture(scope="module")
def live(shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with Live(folder, shared_simulator, f"sqlite:///{folder / 'pay.db'}") as fleet:
        yield fleet.open()


@pytest.fixture(scope="module")
def goods(live: Live) -> None:
    """A live shop has an empty catalogue until its operator fills it."""
    server = live.servers[0]
    assert server.http.get("/api/products").json() == {"products": []}
    done = command(server.environ, "catalogue", str(ROOT / "catalogue" / "products.json"))
    assert (done.returncode, done.stdout) == (0, "12 products are for sale\n")


@pytest.fixture(params=CASES)
def server(request: pytest.FixtureRequest, live: Live, simulator: Simulator) -> Server:
    return live.by_case[request.param]


@pytest.mark.usefixtures("goods")
def test_a_whole_purchase(server: Server, live: Live) -> None:
    buyer = Buyer(server)
    order_no = buyer.order("latte")["order_no"]
    buyer.pay(order_no)
    buyer.becomes(order_no, "paid")
    source = f"SELECT p.source FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.order_no = '{order_no}'"
    assert live.tables.one(source) == "notification"


@pytest.mark.usefixtures("goods")
@pytest.mark.parametrize("kind", ["public_key", "certificate"])
def test_both_kinds_of_signature_verify_while_wechat_migrates(live: Live, simulator: Simulator, kind: str) -> None:
    """Notifications move from certificates to the public key in the course of a week (v3.md 7)."""
    sale = Sale.unnoticed(live.by_case["v3-both"], live.tables)
    assert sale.notify(key=kind) == (204, "acknowledged")
    assert sale.buyer.status(sale.order_no) == "paid"


@pytest.mark.usefixtures("goods")
def test_only_the_kind_that_is_configured_verifies(live: Live, simulator: Simulator) -> None:
    """With certificates alone WeChat's public key is an unknown serial."""
    sale = Sale.unnoticed(live.by_case["v3-certificates"], live.tables)
    assert sale.notify(key="public_key") == (401, "not acknowledged")
    assert sale.notify(key="certificate") == (204, "acknowledged")


def test_there_is_no_demo_page(server: Server) -> None:
    for path in ("/", "/static/app.js", "/miniprogram/pay.js"):
        assert server.http.get(path).status_code == 404
    assert server.http.get("/pictures/latte.svg").status_code == 200


@pytest.mark.usefixtures("goods")
def test_a_client_does_not_choose_the_api(live: Live) -> None:
    """What the demo page may do in simulator mode: here its header means nothing, and its doors are not there."""
    buyer = Buyer(live.by_case["v3-both"])
    order_no = buyer.order("latte")["order_no"]
    parameters = buyer.call("POST", f"/api/orders/{order_no}/pay", headers={"X-Demo-Scheme": "MD5"}).json()
    assert parameters["signType"] == "RSA"
    assert buyer.call("POST", f"/demo/orders/{order_no}/refunds").status_code == 404


def test_a_generation_without_keys_takes_no_notifications(live: Live) -> None:
    for name, there, away in (("v2-md5", "v2", "v3"), ("v3-both", "v3", "v2")):
        http = live.by_case[name].http
        assert http.post(f"/notify/wechat_{there}/payment").status_code in (200, 401)
        assert http.post(f"/notify/wechat_{away}/payment").status_code == 404


@pytest.mark.usefixtures("goods")
def test_an_attempt_whose_keys_were_taken_away_is_missed_loudly(live: Live, simulator: Simulator) -> None:
    """Nobody asks about its money any more: that is said at start, and the order is not begun a second time."""
    sale = Sale.begun(live.by_case["v3-public-key"], live.tables)
    away = live.by_case["v2-md5"]
    away.restart()
    assert (
        "unsettled payments were made through wechat_v3, which is not configured: give its keys back"
        in away.process.text()
    )
    away.expect_log("unsettled payments were made through wechat_v3")
    reply = away.http.post(f"/api/orders/{sale.order_no}/pay", headers=sale.buyer.headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "generation_not_configured")
    assert sale.buyer.cashier(sale.buyer.prepay(sale.order_no)) == "requestPayment:ok"
    sale.buyer.becomes(sale.order_no, "paid")


def test_a_merchant_without_platform_certificates(live: Live, tmp_path: Path, simulator: Simulator) -> None:
    """New merchants have none, and need none in public-key mode (v3.md 6)."""
    simulator.put("keys", {"platform_certificates": False})
    try:
        with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
            server = fleet.start(**merchant(simulator, tmp_path, V3))
            command(server.environ, "catalogue", str(ROOT / "catalogue" / "products.json"))
            buyer = Buyer(server)
            order_no = buyer.order("latte")["order_no"]
            buyer.pay(order_no)
            buyer.becomes(order_no, "paid")
            assert fleet.tables.rows("SELECT source FROM payments") == [("notification",)]
    finally:
        simulator.put("keys", {"platform_certificates": True})


def test_a_wrong_app_secret_is_the_operators_matter(tmp_path: Path, simulator: Simulator) -> None:
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        wrong = {**merchant(simulator, tmp_path, V2_MD5, "none"), "WECHAT_APP_SECRET": "SIMwrong0000000000000000"}
        server = fleet.start(**wrong)
        code = simulator.post("login")["code"]
        reply = server.http.post("/api/login", json={"code": code})
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "login_not_configured")
        assert "40125" in reply.json()["error"]["message"]


def test_a_server_with_wrong_settings_says_all_of_it_and_does_not_start(tmp_path: Path, simulator: Simulator) -> None:
    """Each of them is a case of tests/unit/test_settings.py."""
    told = simulator.merchant
    environ = {
        **merchant(simulator, tmp_path, V3),
        "DATABASE_URL": "postgres://x",
        "WECHAT_V2_API_KEY": "192006250b4c09247ec02edce69f6a2d",
        "WECHAT_V3_PRIVATE_KEY_FILE": key_file(tmp_path / "open.pem", told["merchant_private_key"], 0o644),
        "WECHAT_V3_API_KEY": "a" * 32,
    }
    ended = command(environ, program="server.py")
    assert ended.returncode == 2
    assert ended.stderr.startswith("cannot start: 4 settings must be mended before the server can start:")
    for part in ("DATABASE_URL", "WECHAT_V2_API_KEY", "chmod 400", "WECHAT_V3_API_KEY"):
        assert part in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_console_is_there_for_operators(live: Live) -> None:
    for server in live.servers:
        assert server.http.get("/ops/sign-in").status_code == 200
        assert server.http.get("/ops/static/ops.css").status_code == 200
        assert server.http.get("/ops").headers["Location"] == "/ops/sign-in"

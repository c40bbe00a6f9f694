"""Canaries for secrets: after a run through everything that works and everything that fails, at the finest log level,
none of them is in a log line, an answer, a command's output or a byte of the database (issue 2, "must be shown" 9)."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.databases import MariaDb
from tests.fleet import Fleet
from tests.forger import Forger
from tests.harness import APIS, V2_MD5, V3, Api, Buyer, Server, Simulator
from tests.heard import Heard, forms
from tests.live import command, merchant
from tests.processes import free_port
from tests.sale import SILENCE, Sale
from tests.shipper import Shipper
from tests.wire import send_all

CANARIES = {
    "app_secret": "SIMsecretCANARYappsecret000001",
    "v2_api_key": "SIMv2CANARYv2apikey0000000000002",
    "v3_api_key": "SIMv3CANARYv3apikey0000000000003",
}
MERCHANT_KEY = "MERCHANTkeyCANARYmerchantapikey00004"
FAULTS = (
    "drop_before",
    "http_500_before",
    "system_error",
    "html",
    "truncate",
    "unsigned",
    "tamper",
)


@dataclass(frozen=True)
class Run:
    """A finished run: servers stopped, gateway gone."""

    heard: Heard
    folder: Path
    simulator_folder: Path
    exchanges: list[dict[str, object]]
    private_key: str

    def logs(self) -> str:
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("server-*.log")))

    def database(self) -> bytes:
        return self.folder.joinpath("kept.bytes").read_bytes()

    def session_keys(self) -> set[str]:
        lines = map(json.loads, (self.simulator_folder / "ledger.jsonl").read_text("utf-8").splitlines())
        return {line["User"]["session_key"] for line in lines if line.get("User", {}).get("session_key")}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, gateway = tmp_path_factory.mktemp("canaries"), tmp_path_factory.mktemp("gateway")
    (gateway / "merchant.json").write_text(json.dumps(CANARIES))
    heard = Heard()
    url = f"sqlite:///{folder / 'pay.db'}"
    with closing(Simulator(folder, data=gateway)) as simulator, Fleet(folder, simulator, url) as fleet:
        for api in APIS:
            _everything(fleet, heard, api)
        _commands(fleet, heard, folder)
        fleet.expect_log("discrepancy kind=", "keys not refreshed", "authentic but not understood", "notify 500")
        # As it lies on the disk while the servers run: what they wrote last is in the write-ahead log.
        kept = b"".join(path.read_bytes() for path in sorted(folder.glob("pay.db*")))
        (folder / "kept.bytes").write_bytes(kept)
        exchanges = simulator.get("exchanges")["exchanges"]
    return Run(heard, folder, gateway, exchanges, simulator.merchant["merchant_private_key"])


def _everything(fleet: Fleet, heard: Heard, api: Api) -> None:
    """Every flow of one API: well, badly asked, badly answered, forged."""
    simulator = fleet.simulator
    server = fleet.start(**api.environ, LOG_LEVEL="DEBUG", MERCHANT_API_KEY=MERCHANT_KEY)
    server.http.event_hooks["response"] = [heard.hear]
    buyer = Buyer(server)
    heard.openids.add(buyer.openid)
    buyer.pay(buyer.order("latte")["order_no"])
    _ask_badly(server, buyer)
    login = ["login"] if api is V3 else []
    for operation in (*login, *(f"{api.generation}.{name}" for name in ("prepay", "query", "close"))):
        for fault in FAULTS:
            simulator.put("faults", [*SILENCE, {"op": operation, "fault": fault}])
            _one_round(server, buyer)
    simulator.put("faults", SILENCE)
    sale = Sale.unnoticed(server, fleet.tables)
    heard.openids.add(sale.buyer.openid)
    _notify(fleet, server, sale)
    simulator.clear_faults()
    if api is V3:
        _merchant(Shipper(server, fleet.tables, MERCHANT_KEY), heard)


def _merchant(shipper: Shipper, heard: Heard) -> None:
    """What the merchant's own systems ask for, well and badly: a refund of a part, and shipping."""
    order_no, key = shipper.paid(), {"Authorization": f"Bearer {MERCHANT_KEY}"}
    refunds = f"/merchant/orders/{order_no}/refunds"
    for body in ({"amount_fen": 100, "reason": "x", "refund_no": "R-1"}, {"amount_fen": 10**9, "reason": MERCHANT_KEY}):
        shipper.server.http.post(refunds, json=body, headers=key)
    shipper.server.http.get(refunds, headers=key)
    shipper.server.http.get(refunds, headers={"Authorization": f"Bearer {MERCHANT_KEY}x"})
    shipper.ask("POST", order_no, {"logistics_type": MERCHANT_KEY, "parcels": []})
    shipper.simulator.put("shipping", {"delay_seconds": 0})
    shipper.in_bad_weather(order_no)
    heard.access_tokens.add(shipper.access_token())


def _ask_badly(server: Server, buyer: Buyer) -> None:
    secret = CANARIES["app_secret"]
    server.http.post("/api/login", json={"code": "wrong"})
    server.http.post("/api/login", json={"code": "wrong", "secret": secret})
    server.http.post("/api/login", content=b'{"code": "' + secret.encode())
    server.http.get("/api/orders", params={"token": buyer.token})
    server.http.get("/api/orders", headers={"Authorization": f"Bearer {buyer.token}x"})
    server.http.get(f"/{secret}/{buyer.token}")
    server.http.request("BREW", f"/api/orders/{buyer.token}", headers={"Cookie": secret})
    buyer.call("POST", "/api/orders", json={"items": [{"product_id": secret, "quantity": 1, secret: secret}]})
    buyer.call("POST", "/api/orders", json={"items": []}, headers={"Idempotency-Key": f"{secret} {secret}"})
    for path in ("/", "/metrics", "/openapi.json", "/readyz", "/healthz", "/api/products"):
        server.http.get(path)


def _one_round(server: Server, buyer: Buyer) -> None:
    """Login, order, pay, ask and close, whatever each of them answers."""
    code = server.simulator.post("login")["code"]  # somebody new: a sixth session would end the buyer's
    token = server.http.post("/api/login", json={"code": code}).json().get("token")
    assert token is None or token.startswith("mp1_")
    number = buyer.order("latte")["order_no"]
    for action in ("pay", "sync", "close"):
        buyer.call("POST", f"/api/orders/{number}/{action}")


def _notify(fleet: Fleet, server: Server, sale: Sale) -> None:
    other = sale.notice(api="v2" if "v3" in sale.notice().path else "v3")
    send_all([server.port], list(Forger(1, sale.notice(), other).forgeries(300)))
    for wish in (
        {"signature": "broken"},
        {"signature": "missing"},
        {"override": {"amount": 1}},
        {"override": {"total_fee": "x"}},
    ):
        sale.notify(**wish)
    sale.notify()


def _commands(fleet: Fleet, heard: Heard, folder: Path) -> None:
    """The terminal, well and badly configured."""
    server, order_no = fleet.servers[0], fleet.tables.one("SELECT order_no FROM orders ORDER BY id LIMIT 1")
    simulated = {**server.environ, "LOG_LEVEL": "DEBUG"}
    for arguments in (("doctor",), ("explain", order_no), ("query", order_no), ("close", order_no), ("migrate",)):
        heard.outputs.append(_said(simulated, *arguments))
    live = {**merchant(fleet.simulator, folder, V2_MD5), "DATABASE_URL": server.database_url, "LOG_LEVEL": "DEBUG"}
    for spoilt in (
        {"WECHAT_V3_API_KEY": CANARIES["v3_api_key"] + "x"},
        {"WECHAT_V2_API_KEY": CANARIES["v2_api_key"] + "!"},
        {"WECHAT_V3_API_KEY_OTHER": CANARIES["v3_api_key"] + "x"},
        {"WECHAT_V2_API_KEY_OTHER": CANARIES["v2_api_key"]},
        {"WECHAT_PAY_API": CANARIES["v2_api_key"]},
        {"WECHAT_V3_PRIVATE_KEY_FILE": str(folder / "apiclient_cert.pem")},
        {"WECHAT_V2_KEY_FILE": str(folder / "apiclient_key.pem")},
        {"WECHAT_PAY_URL": "http://127.0.0.1:9", "WECHAT_API_URL": "http://127.0.0.1:9"},
    ):
        heard.outputs.append(_said({**live, **spoilt}, "doctor"))


def _said(environ: dict[str, str], *arguments: str) -> str:
    done = command(environ, *arguments)
    return done.stdout + done.stderr


def places(run: Run) -> dict[str, bytes]:
    answers = b"\n".join(content for _, content in run.heard.answers)
    outputs = "\n".join(run.heard.outputs)
    return {"logs": run.logs().encode(), "answers": answers, "commands": outputs.encode(), "database": run.database()}


def found(run: Run, secrets: set[str], *, but: tuple[str, ...] = ()) -> list[str]:
    """Where any of the secrets stands, in any form."""
    return [
        f"{name}: ...{content[max(0, at - 60) : at + 20]!r}"
        for name, content in places(run).items()
        if name not in but
        for secret in secrets
        for form in forms(secret)
        if (at := content.find(form)) >= 0
    ]


def test_the_run_was_worth_it(run: Run) -> None:
    """Power: the places are full, and what may be there is found there by the same search."""
    assert len(run.heard.answers) > 300
    assert len(run.heard.tokens) >= 4
    assert len(run.heard.pay_signs) >= 6
    assert len(run.session_keys()) >= 4
    assert len(run.logs()) > 100_000
    assert all("Traceback" not in output for output in run.heard.outputs)
    openid = next(iter(run.heard.openids))
    assert [place.split(":")[0] for place in found(run, {openid})] == ["database"]
    hashes = {hashlib.sha256(token.encode()).hexdigest() for token in run.heard.tokens}
    assert "database" in {place.split(":")[0] for place in found(run, hashes)}


@pytest.mark.parametrize("name", CANARIES)
def test_no_secret_of_the_merchant_is_anywhere(run: Run, name: str) -> None:
    assert found(run, {CANARIES[name]}) == []


def test_neither_the_merchant_apis_key_nor_an_access_token_is_anywhere(run: Run) -> None:
    assert {len(token) for token in run.heard.access_tokens} == {512}
    assert found(run, {MERCHANT_KEY, *run.heard.access_tokens}) == []


def test_no_key_derived_from_a_secret_is_anywhere(run: Run) -> None:
    """The key of v2 refund notices is a digest of the API key: as good as the key itself to whoever has a notice."""
    assert found(run, {hashlib.md5(CANARIES["v2_api_key"].encode()).hexdigest()}) == []


def test_no_line_of_the_private_key_is_anywhere(run: Run) -> None:
    lines = {line for line in run.private_key.splitlines() if "-----" not in line and len(line) > 40}
    assert len(lines) > 20
    assert found(run, lines) == []
    assert found(run, {"BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"}) == []


def test_no_session_key_is_anywhere(run: Run) -> None:
    assert found(run, run.session_keys()) == []
    assert found(run, {"session_key"}) == []


def test_a_token_is_in_the_answer_to_its_login_alone(run: Run) -> None:
    assert found(run, run.heard.tokens, but=("answers",)) == []
    bodies = {token: token.removeprefix("mp1_") for token in run.heard.tokens}
    assert found(run, set(bodies.values()), but=("answers",)) == []
    for token, body in bodies.items():
        bearing = [path for path, content in run.heard.answers if body.encode() in content]
        assert bearing == ["/api/login"], token[:8]


def test_a_pay_sign_is_in_the_answer_to_its_pay_alone(run: Run) -> None:
    assert found(run, run.heard.pay_signs, but=("answers",)) == []
    for sign in run.heard.pay_signs:
        bearing = [path for path, content in run.heard.answers if sign.encode() in content]
        assert len(bearing) == 1
        assert bearing[0].endswith("/pay")


def test_no_authorization_is_anywhere(run: Run) -> None:
    """Signatures that we made for WeChat; the gateway remembers them."""
    text = json.dumps(run.exchanges)
    signatures = set(re.findall(r'signature=\\+"([A-Za-z0-9+/=]{300,})', text))
    assert len(signatures) > 20
    assert found(run, signatures) == []
    assert found(run, {"WECHATPAY2-SHA256-RSA2048 mchid"}) == []


def test_no_openid_is_in_an_answer_a_log_or_on_the_terminal(run: Run) -> None:
    assert found(run, run.heard.openids, but=("database",)) == []


def test_a_database_password_is_not_said(mariadb: MariaDb, simulator: Simulator) -> None:
    """By a server or a command: neither is let in, and both end."""
    url = f"mysql://root:CANARYpassword@127.0.0.1:{mariadb.port}/nothing"
    environ = {**V3.environ, "DATABASE_URL": url, "SIMULATOR_URL": simulator.url, "LOG_LEVEL": "DEBUG"}
    served = command({**environ, "PORT": str(free_port())}, program="server.py")
    for ended in (command(environ, "doctor"), served):
        said = ended.stdout + ended.stderr
        assert ended.returncode != 0
        assert "Access denied" in said
        assert "CANARYpassword" not in said

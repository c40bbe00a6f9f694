"""``.env.example``: every setting of a merchant, its true default, and a server that starts once it is filled in."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from settings import Settings
from tests.fleet import Fleet
from tests.harness import Buyer, Simulator
from tests.live import command, key_file
from tests.processes import ROOT

TEXT = (ROOT / ".env.example").read_text("utf-8")
LINES = re.findall(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", TEXT, re.MULTILINE)
NOT_A_MERCHANTS = {  # for tests, and for the simulator
    "WECHAT_PAY_URL",
    "WECHAT_API_URL",
    "WECHAT_V2_SECAPI_URL",
    "WECHAT_V2_SECAPI_CA_FILE",
    "SIMULATOR_URL",
}


def test_it_names_every_setting_once() -> None:
    names = [name for _, name, _ in LINES]
    assert len(names) == len(set(names))
    assert set(names) == {name.upper() for name in Settings.model_fields} - NOT_A_MERCHANTS


def test_what_it_shows_as_the_default_is_the_default() -> None:
    for commented, name, shown in LINES:
        default = Settings.model_fields[name.lower()].get_default(call_default_factory=True, validated_data={})
        plain = default.get_secret_value() if isinstance(default, SecretStr) else default
        if commented and not name.endswith("_FILE"):
            assert shown == str(plain), name


def filled_in(folder: Path, simulator: Simulator) -> Path:
    """The example as a merchant leaves it: the empty lines filled, the key files beside it."""
    told = simulator.merchant
    for name, key in (
        ("apiclient_key.pem", "merchant_private_key"),
        ("apiclient_cert.pem", "merchant_certificate"),
        ("pub_key.pem", "public_key"),
    ):
        key_file(folder / name, told[key])
    values = {
        "WECHAT_APP_ID": told["appid"],
        "WECHAT_APP_SECRET": told["app_secret"],
        "WECHAT_MCH_ID": told["mchid"],
        "WECHAT_V3_API_KEY": told["v3_api_key"],
        "WECHAT_V3_SERIAL_NO": told["merchant_serial_no"],
        "WECHAT_V3_PUBLIC_KEY_ID": told["public_key_id"],
    }
    assert {name for commented, name, shown in LINES if not (commented or shown)} == values.keys()
    text = re.sub(r"^(\w+)=$", lambda line: f"{line[1]}={values[line[1]]}", TEXT, flags=re.MULTILINE)
    path = folder / "pay.env"
    path.write_text(text, "utf-8")
    path.chmod(0o400)
    return path


def test_a_server_takes_money_on_it(tmp_path: Path, simulator: Simulator) -> None:
    """Settings and keys in one folder that PAY_CONFIG points into, as systemd and a container hand them over."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    environ = {
        "PAY_CONFIG": str(filled_in(folder, simulator)),
        "SIMULATOR_URL": "http://127.0.0.1:9",
        "WECHAT_PAY_URL": simulator.url,
        "WECHAT_API_URL": simulator.url,
    }
    with Fleet(tmp_path, simulator, f"sqlite:///{tmp_path / 'pay.db'}") as fleet:
        server = fleet.start(**environ)
        done = command(server.environ, "catalogue", str(ROOT / "catalogue" / "products.json"))
        assert done.returncode == 0, done.stderr
        buyer = Buyer(server)
        order_no = buyer.order("latte")["order_no"]
        buyer.pay(order_no)
        buyer.becomes(order_no, "paid")

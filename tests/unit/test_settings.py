"""Settings: everything wrong is said at once, in words that say what to do, and never with a secret in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from settings import Merchant, Settings, SettingsError, load

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "wechat.json").read_text("utf-8"))
KEYS = VECTORS["keys"]
V2_KEY = "Xk29dmQ8sLw03nVb7TyRz5GhJc1AePf6"
V3_KEY = "Zq81ncU5rKe47mXa9WpHs2DtLv6BgYj0"

Configure = Callable[..., tuple[Settings, Merchant | None]]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """``load()`` in an empty folder with just this environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("PAY_CONFIG", raising=False)

    def configured(**environ: object) -> tuple[Settings, Merchant | None]:
        for name, value in environ.items():
            monkeypatch.setenv(name, str(value))
        return load()

    return configured


@pytest.fixture
def live(tmp_path: Path) -> dict[str, object]:
    """A live merchant that is wholly in order, both generations."""
    key, cert, public = (tmp_path / name for name in ("apiclient_key.pem", "apiclient_cert.pem", "pub_key.pem"))
    body = KEYS["merchant"]["private_key_der_base64"]
    key.write_text("-----BEGIN PRIVATE KEY-----\n" + body + "\n-----END PRIVATE KEY-----\n")
    key.chmod(0o400)
    cert.write_text(KEYS["merchant"]["certificate"])
    public.write_text(KEYS["wechatpay_public_key"]["public_key_pem"])
    return {
        "WECHAT_APP_ID": "wx0123456789abcdef",
        "WECHAT_APP_SECRET": "0123456789abcdef0123456789abcdef",
        "WECHAT_MCH_ID": "1900000001",
        "WECHAT_V2_API_KEY": V2_KEY,
        "WECHAT_V3_API_KEY": V3_KEY,
        "WECHAT_V3_SERIAL_NO": KEYS["merchant"]["serial_no"],
        "WECHAT_V3_PRIVATE_KEY_FILE": key,
        "WECHAT_V3_PUBLIC_KEY_FILE": public,
        "WECHAT_V3_PUBLIC_KEY_ID": KEYS["wechatpay_public_key"]["serial_no"],
        "PUBLIC_URL": "https://pay.example.com",
    }


def problems(configure: Configure, environ: dict[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as found:
        configure(**environ)
    return found.value.problems


def test_nothing_set_is_simulator_mode(configure: Configure) -> None:
    settings, merchant = configure()
    assert settings.simulator_mode
    assert merchant is None
    assert (settings.port, settings.wechat_pay_api, settings.order_expires_minutes) == (8000, "v3", 30)


def test_a_second_key_for_a_change_over(configure: Configure, live: dict[str, object]) -> None:
    _, merchant = configure(**live)
    assert (merchant.v2.other_api_key, merchant.v3.other_api_key) == (None, None)
    _, merchant = configure(**live, WECHAT_V2_API_KEY_OTHER=V3_KEY, WECHAT_V3_API_KEY_OTHER=V2_KEY)
    assert merchant.v2.other_api_key.get_secret_value() == V3_KEY
    assert merchant.v3.other_api_key.get_secret_value() == V2_KEY


def test_a_live_merchant_in_order(configure: Configure, live: dict[str, object]) -> None:
    _, merchant = configure(**live)
    assert merchant is not None
    assert merchant.v2 is not None
    assert merchant.v3 is not None
    assert merchant.v3.public_key_id.startswith("PUB_KEY_ID_")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"WECHAT_V3_API_KEY": "short"}, "WECHAT_V3_API_KEY: must be 32 bytes; this one has 5"),
        ({"WECHAT_V3_API_KEY": "a" * 32}, "WECHAT_V3_API_KEY: has hardly any different characters"),
        ({"WECHAT_V3_API_KEY": "5YI2YwEdV56hCsNEoOGEeL17vRFcz3i6"}, "WECHAT_V3_API_KEY: is the example"),
        ({"WECHAT_V2_API_KEY": "192006250b4c09247ec02edce69f6a2d"}, "WECHAT_V2_API_KEY: is the example"),
        ({"WECHAT_V2_API_KEY": "not 32"}, "WECHAT_V2_API_KEY: must be 32 letters and digits"),
        ({"WECHAT_V3_API_KEY_OTHER": "short"}, "WECHAT_V3_API_KEY_OTHER: must be 32 bytes; this one has 5"),
        ({"WECHAT_V3_API_KEY_OTHER": "5YI2YwEdV56hCsNEoOGEeL17vRFcz3i6"}, "WECHAT_V3_API_KEY_OTHER: is the example"),
        ({"WECHAT_V3_API_KEY_OTHER": V3_KEY}, "WECHAT_V3_API_KEY_OTHER: the same key as WECHAT_V3_API_KEY"),
        ({"WECHAT_V2_API_KEY_OTHER": "not 32"}, "WECHAT_V2_API_KEY_OTHER: must be 32 letters and digits"),
        ({"WECHAT_V2_API_KEY_OTHER": "a" * 32}, "WECHAT_V2_API_KEY_OTHER: has hardly any different characters"),
        ({"WECHAT_V2_API_KEY_OTHER": V2_KEY}, "WECHAT_V2_API_KEY_OTHER: the same key as WECHAT_V2_API_KEY"),
        ({"WECHAT_V2_API_KEY": "", "WECHAT_V2_API_KEY_OTHER": V2_KEY}, "there is no first; set WECHAT_V2_API_KEY"),
        ({"WECHAT_V3_SERIAL_NO": "ABCDEF"}, "WECHAT_V3_SERIAL_NO: the certificate"),
        ({"WECHAT_V3_SERIAL_NO": ""}, "WECHAT_V3_SERIAL_NO: missing"),
        ({"WECHAT_APP_SECRET": ""}, "WECHAT_APP_SECRET: missing"),
        ({"WECHAT_MCH_ID": "abc"}, "WECHAT_MCH_ID: a merchant number is digits only"),
        ({"WECHAT_V3_PUBLIC_KEY_ID": ""}, "give both, or neither"),
        ({"WECHAT_V3_PUBLIC_KEY_ID": "KEY_1"}, "must begin with PUB_KEY_ID_"),
        ({"WECHAT_V3_PRIVATE_KEY_FILE": "/nowhere/key.pem"}, "cannot read /nowhere/key.pem"),
        ({"PUBLIC_URL": "https://pay.example.com/?a=1"}, "PUBLIC_URL: must not have a query"),
        ({"PUBLIC_URL": "http://pay.example.com"}, "PUBLIC_URL: use https"),
        ({"PUBLIC_URL": "pay.example.com"}, "PUBLIC_URL: write an absolute address"),
        ({"DATABASE_URL": "postgres://x"}, "DATABASE_URL: use sqlite"),
        ({"WECHAT_PAY_API": "v4"}, "WECHAT_PAY_API"),
        ({"PORT": "http"}, "PORT"),
        ({"PAY_CONFIG": "/nowhere/pay.env"}, "PAY_CONFIG names /nowhere/pay.env"),
    ],
)
def test_each_mistake_is_named(
    configure: Configure, live: dict[str, object], change: dict[str, object], said: str
) -> None:
    found = problems(configure, {**live, **change})
    assert any(said in line for line in found), found
    assert len(found) == 1, found


def test_all_mistakes_are_said_at_once(configure: Configure, live: dict[str, object]) -> None:
    wrong = {"WECHAT_V3_API_KEY": "short", "WECHAT_V2_API_KEY": "short", "WECHAT_MCH_ID": "x", "PUBLIC_URL": "x"}
    found = problems(configure, {**live, **wrong})
    assert len(found) == 4
    assert "4 settings must be mended" in str(SettingsError(found))


def test_a_key_that_others_can_read_is_refused(configure: Configure, live: dict[str, object]) -> None:
    Path(str(live["WECHAT_V3_PRIVATE_KEY_FILE"])).chmod(0o644)
    (line,) = problems(configure, live)
    assert "chmod 400" in line


def test_a_key_that_does_not_parse_is_refused(configure: Configure, live: dict[str, object], tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    bad.chmod(0o400)
    (line,) = problems(configure, {**live, "WECHAT_V3_PRIVATE_KEY_FILE": bad})
    assert "is not an unencrypted RSA private key" in line


def test_a_key_of_another_certificate_is_refused(configure: Configure, live: dict[str, object], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    pem = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    other.write_bytes(pem)
    other.chmod(0o400)
    (line,) = problems(configure, {**live, "WECHAT_V3_PRIVATE_KEY_FILE": other})
    assert "is not the key of the certificate" in line


def test_the_generation_of_new_payments_needs_its_keys(configure: Configure, live: dict[str, object]) -> None:
    (line,) = problems(configure, {**live, "WECHAT_PAY_API": "v2", "WECHAT_V2_API_KEY": ""})
    assert "WECHAT_PAY_API is v2, but its keys are not given" in line


def test_environment_wins_over_dotenv_wins_over_file(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "pay.env").write_text("PORT=1001\nPROCESSES=2\nORDER_EXPIRES_MINUTES=5\n")
    (tmp_path / ".env").write_text("PORT=1002\nPROCESSES=3\n")
    settings, _ = configure(PAY_CONFIG=tmp_path / "pay.env", PORT="1003")
    assert (settings.port, settings.processes, settings.order_expires_minutes) == (1003, 3, 5)


def test_key_files_lie_beside_the_file_that_names_them(
    configure: Configure, live: dict[str, object], tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name in ("apiclient_key.pem", "apiclient_cert.pem", "pub_key.pem"):
        (tmp_path / name).rename(folder / name)
    files = {name: str(value).rsplit("/", 1)[-1] for name, value in live.items() if name.endswith("_FILE")}
    lines = [f"{name}={value}\n" for name, value in {**live, **files}.items()]
    (folder / "pay.env").write_text("".join(lines))
    settings, merchant = configure(PAY_CONFIG=folder / "pay.env")
    assert settings.wechat_v3_private_key_file == folder / "apiclient_key.pem"
    assert merchant is not None
    assert merchant.v3 is not None
    elsewhere = tmp_path / "other.pem"
    (folder / "pub_key.pem").rename(elsewhere)
    settings, _ = configure(PAY_CONFIG=folder / "pay.env", WECHAT_V3_PUBLIC_KEY_FILE=elsewhere)
    assert settings.wechat_v3_public_key_file == elsewhere


def test_secrets_are_in_no_repr_and_no_problem(configure: Configure, live: dict[str, object]) -> None:
    others = {"WECHAT_V2_API_KEY_OTHER": V2_KEY[::-1], "WECHAT_V3_API_KEY_OTHER": V3_KEY[::-1]}
    settings, merchant = configure(**live, **others)
    shown = repr(settings) + str(settings) + repr(merchant) + settings.model_dump_json()
    wrong = problems(configure, {**live, "WECHAT_V2_API_KEY": "Canary-" + V2_KEY, "WECHAT_V3_API_KEY": V3_KEY + "x"})
    wrong += problems(configure, {**live, **{name: f"{key}x" for name, key in others.items()}})
    for secret in (
        V2_KEY,
        V3_KEY,
        *others.values(),
        str(live["WECHAT_APP_SECRET"]),
        KEYS["merchant"]["private_key_der_base64"][:60],
    ):
        assert secret not in shown
        assert secret not in "\n".join(wrong)

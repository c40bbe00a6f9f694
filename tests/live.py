"""Settings of a live merchant, with the simulator standing at WeChat's address: keys in files, as on a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import preloaded
from tests.harness import Api, Simulator
from tests.processes import PATIENCE, clean_environ

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody answers there


def key_file(path: Path, text: str, mode: int = 0o400) -> str:
    path.unlink(missing_ok=True)
    path.write_text(text, "ascii")
    path.chmod(mode)
    return str(path)


def merchant(simulator: Simulator, folder: Path, api: Api, keys: str = "public") -> dict[str, str]:
    """The environment. ``keys`` of v3: public, certificates or both; of v2 alone: none. SIMULATOR_URL leads nowhere."""
    told = simulator.merchant
    environ = {
        **api.environ,
        "SIMULATOR_URL": NOWHERE,
        "WECHAT_PAY_URL": simulator.url,
        "WECHAT_API_URL": simulator.url,
        "WECHAT_APP_ID": told["appid"],
        "WECHAT_APP_SECRET": told["app_secret"],
        "WECHAT_MCH_ID": told["mchid"],
    }
    if api.generation == "v2":
        environ["WECHAT_V2_API_KEY"] = told["v2_api_key"]
    if keys != "none":
        environ |= {
            "WECHAT_V3_API_KEY": told["v3_api_key"],
            "WECHAT_V3_SERIAL_NO": told["merchant_serial_no"],
            "WECHAT_V3_PRIVATE_KEY_FILE": key_file(folder / "apiclient_key.pem", told["merchant_private_key"]),
        }
        key_file(folder / "apiclient_cert.pem", told["merchant_certificate"])
    if keys in ("public", "both"):
        environ["WECHAT_V3_PUBLIC_KEY_FILE"] = key_file(folder / "pub_key.pem", told["public_key"])
        environ["WECHAT_V3_PUBLIC_KEY_ID"] = told["public_key_id"]
    return environ


def command(environ: dict[str, str], *arguments: str, program: str = "cli.py") -> subprocess.CompletedProcess[str]:
    """``python cli.py ...`` to its end."""
    return preloaded.run([sys.executable, program, *arguments], {**clean_environ(), **environ}, PATIENCE)

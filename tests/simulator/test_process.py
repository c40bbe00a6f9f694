"""The program itself: start, refusals at start, what is kept in --data, clean stop."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.ledger import Ledger, LedgerRefused
from simulator.merchant import MerchantRefused, load

ROOT = Path(__file__).resolve().parents[2]
JSAPI = "/v3/pay/transactions/jsapi"


def run(*options):
    command = [sys.executable, "-m", "simulator", "--port", "0", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("host", ["0.0.0.0", "pay.example.test"])
def test_it_listens_on_loopback_only(host):
    done = run("--host", host)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not loopback" in done.stderr


def test_unless_it_is_told_to(own_sim):
    sim = own_sim("--host", "0.0.0.0", "--allow-remote")
    assert sim.call("GET", "/_sim/state").status == 200


def test_ipv6_loopback():
    command = [sys.executable, "-m", "simulator", "--port", "0", "--host", "::1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        process.terminate()
    assert re.search(r"http://\[::1\]:\d+", line)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "options",
    [["--secapi-port", "-1"], ["--time-scale", "0"], ["--time-scale", "-1"], ["--port", "70000"], ["--nonsense"]],
)
def test_options_that_make_no_sense(options):
    done = run(*options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(sim):
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", str(sim.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("cannot start: ")


def test_the_port_of_mutual_tls(sim):
    """Next to the first; any, if that is taken; the one that was wished, or none."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = held.getsockname()[1]
        refused = run("--secapi-port", str(taken))
        assert (refused.returncode, refused.stderr.startswith("cannot start: ")) == (2, True)
        beside = started("--port", str(taken - 1))
    if beside is not None:  # else the port before it was taken, too
        assert beside not in (taken, taken - 1)
    first = free_pair()
    assert started("--port", str(first)) == first + 1


def free_pair():
    """A port that is free, and so is the next."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            return port


def started(*options):
    """The mutual-TLS port of a simulator that is started and stopped; None if it did not start."""
    command = [sys.executable, "-m", "simulator", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        process.terminate()
    found = re.search(r"https://127\.0\.0\.1:(\d+)", line)
    return int(found[1]) if found else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop(own_sim, number):
    sim = own_sim()
    with socket.create_connection(("127.0.0.1", sim.port)):
        assert sim.stop(number) == 0
    assert not [line for line in sim.log if "Traceback" in line or " ERROR " in line]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  /_sim/merchant HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://127.0.0.1/_sim/state HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"POST /pay/unifiedorder HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /pay/unifiedorder HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v3/certificates HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v3/\xff\xfe?\xff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /v3/certificates HTTP/1.1\r\nHost: a\r\nAuthorization: \xff\r\nConnection: close\r\n\r\n",
        b"BREW /pay/unifiedorder HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_hardly_http(sim, raw):
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert b"app_secret" not in answer
    assert not answer.startswith(b"HTTP/1.1 5")
    assert sim.call("GET", "/_sim/state").status == 200


def test_a_restart_keeps_everything(own_sim, merchant_site, tmp_path):
    data = tmp_path / "sim"
    first = own_sim("--data", str(data))
    paid = first.order_v3(notify_url=merchant_site.answer("/n", 500))
    open_order = first.order_v2(notify_url=merchant_site.url("/n"))
    first.pay_v3(first.v3("POST", JSAPI, paid).json["prepay_id"])
    prepay_id = first.v2("unifiedorder", open_order).xml["prepay_id"]
    first.wait(lambda: first.delivery(paid["out_trade_no"])["tries"])
    first.advance(5)
    before = first.control("GET", "ledger")
    assert first.stop() == 0
    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in data.iterdir()} == {
        "merchant.json": 0o600,
        "ledger.jsonl": 0o600,
    }
    second = own_sim("--data", str(data))
    assert second.merchant | {"secapi_url": first.merchant["secapi_url"]} == first.merchant
    assert second.control("GET", "ledger") == before
    assert second.control("GET", "clock")["now"] - time.time() > 4.9
    assert second.v2("unifiedorder", open_order).xml["prepay_id"] == prepay_id
    assert second.pay_v2(prepay_id).json == {"errMsg": "requestPayment:ok"}
    merchant_site.answer("/n", 204)
    second.advance(15)
    second.wait(lambda: second.delivery(paid["out_trade_no"])["state"] == "acknowledged")


def test_time_that_was_quickened_does_not_go_back(own_sim, tmp_path):
    first = own_sim("--data", str(tmp_path), "--time-scale", "10000")
    first.wait(lambda: first.control("GET", "clock")["now"] - time.time() > 500)
    reached = first.control("GET", "clock")["now"]
    first.stop()
    assert own_sim("--data", str(tmp_path)).control("GET", "clock")["now"] > reached


def test_a_killed_process_loses_nothing_it_answered(own_sim, tmp_path):
    first = own_sim("--data", str(tmp_path))
    order = first.order_v3()
    prepay_id = first.v3("POST", JSAPI, order).json["prepay_id"]
    first.pay_v3(prepay_id)
    first.stop(signal.SIGKILL)
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"Order": {"out_trade_no": "half a li')
    second = own_sim("--data", str(tmp_path))
    (kept,) = second.control("GET", "ledger")["orders"]
    assert (kept["out_trade_no"], kept["state"]) == (order["out_trade_no"], "SUCCESS")


def test_preset_secrets(own_sim, tmp_path):
    preset = {"app_secret": "CANARY_app_secret_0001", "v2_api_key": "CANARYv2" * 4, "v3_api_key": "CANARYv3" * 4}
    (tmp_path / "merchant.json").write_text(json.dumps(preset))
    sim = own_sim("--data", str(tmp_path))
    assert {name: sim.merchant[name] for name in preset} == preset
    assert sim.v2("unifiedorder", sim.order_v2()).xml["result_code"] == "SUCCESS"
    assert stat.S_IMODE((tmp_path / "merchant.json").stat().st_mode) == 0o600
    one = tmp_path / "one"
    one.mkdir()
    (one / "merchant.json").write_text(json.dumps({"v2_api_key": "CANARYv2" * 4}))
    assert own_sim("--data", str(one)).merchant["v3_api_key"].startswith("SIM")


@pytest.mark.parametrize(
    "preset",
    [
        "not json",
        "[]",
        {"v2_api_key": "short"},
        {"v2_api_key": "0f" * 16},
        {"v3_api_key": "0f" * 16},
        {"app_secret": "0f" * 16},
        {"v3_api_key": "x" * 31},
        {"v3_api_key": 1},
        {"appid": "wxd930ea5d5a258f4f"},
        {"mchid": "1230000109"},
        {"strange": "x"},
        {"merchant_private_key": "x"},
    ],
    ids=str,
)
def test_presets_that_are_refused(tmp_path, preset):
    path = tmp_path / "merchant.json"
    path.write_text(preset if isinstance(preset, str) else json.dumps(preset))
    with pytest.raises(MerchantRefused) as refused:
        load(path)
    for value in preset.values() if isinstance(preset, dict) else []:
        assert not isinstance(value, str) or len(value) < 10 or value not in str(refused.value)


@pytest.mark.parametrize("line", ["nonsense\n", '{"Order": {"strange": 1}}\n', '{"User": []}\n', "5\n", "{}\n"])
def test_a_ledger_of_something_else_is_refused(tmp_path, line):
    (tmp_path / "ledger.jsonl").write_text(line)
    with pytest.raises(LedgerRefused, match=r"line 1 of ledger\.jsonl"):
        Ledger(tmp_path / "ledger.jsonl")


@pytest.mark.parametrize(
    ("name", "text"), [("merchant.json", '{"appid": "wxd930ea5d5a258f4f"}'), ("ledger.jsonl", "5\n")]
)
def test_a_refusal_at_start_is_a_sentence(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = run("--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("refused to start: ")
    assert done.stderr.count("\n") == 1


def test_data_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert run("--data", str(tmp_path / "file")).stderr.startswith("cannot start: ")
    assert "Traceback" not in run("--data", "/proc/nowhere").stderr

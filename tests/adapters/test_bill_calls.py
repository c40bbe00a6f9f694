"""The adapters' bills over real sockets: what is asked, what is believed, and where our signature goes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.errors import Malformed, NotReady, OutcomeUnknown, Rejected, Throttled
from tests.adapters import build, known
from tests.adapters.driving import drive
from tests.adapters.test_bill import PAID, REFUNDED, WHOLE
from tests.adapters.test_v3_calls import v3_answer, v3_no
from tests.adapters.wire import http, say

PACKED = gzip.compress(WHOLE)
DAY = "2024-01-01"


# --- v3 ---

SHA1 = hashlib.sha1(WHOLE).hexdigest()
FILE = "/v3/billdownload/file?token=6XIv5TUPto7pByrTQKhd6kwvyKLG2uY2wMMR8cNXqaA_Cv&tartype=gzip"


def gateway(file=None, status="200 OK", **answer):
    """Answers the first request with where the file is, the second with the file."""

    async def script(request, writer):
        host = re.search(rb"Host: (\S+)", request)[1].decode()
        told = {"hash_type": "SHA1", "hash_value": SHA1, "download_url": f"http://{host}{FILE}", **answer}
        told["download_url"] = told["download_url"].replace("HOST", host)
        second = request.startswith(b"GET /v3/billdownload")
        writer.write(http(PACKED if file is None else file, status) if second else v3_answer(told))

    return script


def download(folder, day=DAY):
    async def use(adapter):
        found = await adapter.download_bill(day, "trade", folder)
        return found.count, list(found.lines)

    return use


def test_v3_a_bill(tmp_path):
    found, requests = drive(build.v3, gateway(), download(tmp_path))
    assert found == (2, [PAID, REFUNDED])
    assert requests[0].startswith(
        b"GET /v3/bill/tradebill?bill_date=2024-01-01&bill_type=ALL&tar_type=GZIP HTTP/1.1\r\n"
    )
    assert requests[1].startswith(f"GET {FILE} HTTP/1.1\r\n".encode())
    assert [path.parent for path in tmp_path.iterdir()] == [tmp_path]


def test_v3_path_and_query_of_the_file_are_signed_verbatim(tmp_path):
    vector = next(each for each in known.vectors("v3_request_sign") if "billdownload" in each["inputs"]["url"])
    url = vector["inputs"]["url"]

    def make(transport, **changes):
        now = int(vector["inputs"]["timestamp"])
        return build.WechatV3(
            build.v3_config(**changes), transport, now=lambda: now, nonce=lambda: vector["inputs"]["nonce"]
        )

    async def script(request, writer):
        host = re.search(rb"Host: (\S+)", request)[1].decode()
        told = {"hash_type": "SHA1", "hash_value": SHA1, "download_url": f"http://{host}{url}"}
        body = json.dumps(told).encode()
        signed = http(body, **known.v3_headers(body, stamp=vector["inputs"]["timestamp"]))
        writer.write(http(PACKED) if b"billdownload" in request else signed)

    found, requests = drive(make, script, download(tmp_path))
    assert found[0] == 2
    assert f"\r\nAuthorization: {vector['expected']['authorization']}\r\n".encode() in requests[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/v3/billdownload/file?token=1",
        "http://HOST.example/v3/billdownload/file",
        "http://HOST@127.0.0.1:1/v3/billdownload/file",
        "https://HOST/v3/billdownload/file",
        "//HOST/v3/billdownload/file",
        "/v3/billdownload/file",
        "http://HOST",
        "ftp://HOST/v3/billdownload/file",
    ],
)
def test_v3_our_signature_goes_to_nobody_else(tmp_path, url):
    error, requests = drive(build.v3, gateway(download_url=url), download(tmp_path))
    assert type(error) is Malformed
    assert len(requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"hash_type": "MD5"},
        {"hash_value": "0" * 39},
        {"hash_value": None},
        {"hash_value": "g" * 40},
        {"download_url": "http://HOST/v3/ with a space"},
        {"download_url": ""},
        {"download_url": "http://HOST/" + "x" * 2049},
    ],
    ids=str,
)
def test_v3_an_answer_that_is_not_understood(tmp_path, answer):
    error, requests = drive(build.v3, gateway(**answer), download(tmp_path))
    assert type(error) is OutcomeUnknown
    assert len(requests) == 1


V3_WRONG_FILES = {
    "another bill": gzip.compress(WHOLE.replace(b"1.00", b"2.00")),
    "cut": PACKED[:-20],
    "empty": b"",
    "html": b"<html>",
}


@pytest.mark.parametrize("case", V3_WRONG_FILES)
def test_v3_a_file_that_is_not_what_was_promised(tmp_path, case):
    assert type(drive(build.v3, gateway(V3_WRONG_FILES[case]), download(tmp_path))[0]) is OutcomeUnknown


def test_v3_right_digest_of_what_is_not_understood(tmp_path):
    odd = WHOLE.replace(b"`SUCCESS,`CMB", b"`UNHEARD,`CMB")
    script = gateway(gzip.compress(odd), hash_value=hashlib.sha1(odd).hexdigest())
    error, _ = drive(build.v3, script, download(tmp_path))
    assert type(error) is Malformed
    assert "line 2" in str(error)


NO_ANSWERS = [
    ("400 Bad Request", "STATEMENT_CREATING", NotReady),
    ("400 Bad Request", "INVALID_REQUEST", Rejected),
    ("403 Forbidden", "NO_AUTH", Rejected),
    ("429 Slow", "FREQUENCY_LIMITED", Throttled),
    ("500 Oops", "SYSTEM_ERROR", OutcomeUnknown),
    ("500 Oops", "NO_STATEMENT_EXIST", OutcomeUnknown),
    ("404 Not Found", "NEVER_SEEN", OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "code", "kind"), NO_ANSWERS)
def test_v3_no_bill(tmp_path, status, code, kind):
    error, _ = drive(build.v3, say(v3_no(status, code)), download(tmp_path))
    assert (type(error), error.code) == (kind, code)
    body = json.dumps({"code": code, "message": "because"}).encode()
    error, requests = drive(build.v3, gateway(body, status), download(tmp_path))
    assert (type(error), error.code, len(requests)) == (kind, code, 2)


def test_v3_a_day_without_trade(tmp_path):
    found, _ = drive(build.v3, say(v3_no("400 Bad Request", "NO_STATEMENT_EXIST")), download(tmp_path))
    assert found == (0, [])


def test_v3_a_file_that_was_promised_and_is_not_there_is_no_day_without_trade(tmp_path):
    body = json.dumps({"code": "NO_STATEMENT_EXIST", "message": "because"}).encode()
    error, _ = drive(build.v3, gateway(body, "400 Bad Request"), download(tmp_path))
    assert type(error) is OutcomeUnknown


def test_v3_an_unsigned_answer_leads_nowhere(tmp_path):
    body = json.dumps({"hash_type": "SHA1", "hash_value": SHA1, "download_url": "http://127.0.0.1/x"}).encode()
    error, requests = drive(build.v3, say(http(body)), download(tmp_path))
    assert (type(error), len(requests)) == (OutcomeUnknown, 1)


# --- v2 ---


@pytest.mark.parametrize("file", [PACKED, WHOLE, WHOLE.removeprefix(b"\xef\xbb\xbf")], ids=["packed", "plain", "bare"])
def test_v2_a_bill(tmp_path, file):
    found, requests = drive(build.v2, say(http(file)), download(tmp_path))
    assert found == (2, [PAID, REFUNDED])
    head, body = requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /pay/downloadbill HTTP/1.1")
    asked = {"appid": known.APPID, "mch_id": known.MCHID, "bill_date": "20240101", "bill_type": "ALL"}
    asked = {**asked, "tar_type": "GZIP", "sign_type": "MD5", "nonce_str": build.NONCE}
    assert body == known.v2_xml(known.v2_signed(asked))


def failure(message, code="20002"):
    return known.v2_xml({"return_code": "FAIL", "return_msg": message, "error_code": code})


@pytest.mark.parametrize("vector", known.vectors("v2_bill_response_class"), ids=known.name_of)
def test_v2_vector_a_failure_is_no_bill(tmp_path, vector):
    body = vector["inputs"]["body"].encode()
    assert vector["expected"] == {"class": "error", "return_msg": "No Bill Exist"}
    for form in (body, b"\xef\xbb\xbf" + body, b"\n" + body):
        assert drive(build.v2, say(http(form)), download(tmp_path))[0] == (0, [])


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Bill Creating", NotReady),
        ("sign error", Rejected),
        ("SIGN ERROR", Rejected),
        ("missing parameter", Rejected),
        ("invalid bill_type", Rejected),
        ("data format error", Rejected),
        ("SYSTEMERROR", OutcomeUnknown),
        ("CompressGZip Error", OutcomeUnknown),
        ("UnCompressGZip Error", OutcomeUnknown),
        ("签名错误", OutcomeUnknown),
        ("never seen", OutcomeUnknown),
        ("", OutcomeUnknown),
    ],
)
def test_v2_no_bill(tmp_path, message, kind):
    error, _ = drive(build.v2, say(http(failure(message))), download(tmp_path))
    assert (type(error), error.code, error.message) == (kind, "20002", message)


def test_v2_a_day_without_trade_in_both_spellings(tmp_path):
    for message in ("No Bill Exist", "NO Bill Exist"):
        assert drive(build.v2, say(http(failure(message))), download(tmp_path))[0] == (0, [])


V2_UNKNOWN = {
    "empty": http(),
    "html": http(b"<html><body>502</body></html>"),
    "cut": http(WHOLE[:-40]),
    "cut gzip": http(PACKED[:-20]),
    "500": http(PACKED, "500 Oops"),
    "404": http(b"<html>", "404 Not Found"),
    "302": http(b"", "302 Found", Location="/pay/elsewhere"),
    "not all lines": http(WHOLE.replace(b"`2,`1.00", b"`3,`1.00")),
}


@pytest.mark.parametrize("case", V2_UNKNOWN)
def test_v2_unknown(tmp_path, case):
    assert type(drive(build.v2, say(V2_UNKNOWN[case]), download(tmp_path))[0]) is OutcomeUnknown


def test_v2_slower(tmp_path):
    assert type(drive(build.v2, say(http(b"", "429 Slow")), download(tmp_path))[0]) is Throttled


@pytest.mark.parametrize("make", [build.v2, build.v3])
@pytest.mark.parametrize("day", ["", "2024-02-30", "../../etc", "yesterday"])
def test_a_day_that_is_none(tmp_path, make, day):
    error, requests = drive(make, say(http()), download(tmp_path, day))
    assert (type(error), requests) == (ValueError, [])


class Held(ThreadPoolExecutor):
    """The loop's other threads, which begin nothing before they are told to."""

    def __init__(self):
        super().__init__(1)
        self.given = threading.Event()
        self.go = threading.Event()

    def submit(self, fn, /, *args, **named):
        def held():
            self.go.wait()
            return fn(*args, **named)

        self.given.set()
        return super().submit(held)


@pytest.mark.parametrize(("make", "script"), [(build.v2, say(http(PACKED))), (build.v3, gateway())], ids=["v2", "v3"])
def test_a_bill_is_read_while_the_loop_goes_on(tmp_path, make, script):
    """A large bill takes long to check: that happens in another thread, and the loop takes its turns meanwhile."""

    async def use(adapter):
        aside = Held()
        asyncio.get_running_loop().set_default_executor(aside)
        reading = asyncio.ensure_future(adapter.download_bill(DAY, "trade", tmp_path))
        while not aside.given.is_set() and not reading.done():
            await asyncio.sleep(0.001)
        went_on = not reading.done()
        aside.go.set()
        return went_on, (await reading).count

    assert drive(make, script, use)[0] == (True, 2)

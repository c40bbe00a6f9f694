"""Faults of refunds and bills that ``tools/mutants.py`` plants, as data; of the same form as in ``protocol_faults``.

``TESTS`` are the tests that must notice. Nothing here runs anything.
"""

# ruff: noqa: E501  (lines quoted here are as long as they are there)

from __future__ import annotations

from tools.protocol_faults import Fault

FILES = {
    "bill": "adapters/bill.py",
    "form": "adapters/bill_forms.py",
    "judging": "adapters/judging.py",
    "transport": "adapters/transport.py",
    "v2a": "adapters/wechat_v2/answers.py",
    "v2c": "adapters/wechat_v2/adapter.py",
    "v3c": "adapters/wechat_v3/adapter.py",
}
TESTS = (
    "reports",
    "answers",
    "v2_refunds",
    "v3_refunds",
    "bill",
    "bill_limits",
    "downloads",
    "bill_calls",
    "fund_bill",
)

_OURS = "told = (report.out_refund_no, report.provider_transaction_id, report.amount_fen)"
_V2_ABOUT = 'for name in ("out_trade_no", "transaction_id", "out_refund_no"):'
_V2_INDEX = 'index = next((each for each in listed if fields[f"out_refund_no_{each}"] == out_refund_no), None)'
_V2_BASE = "url = self._url(path, self._config.secapi_url if certificate else None)"
_V2_CERT = '"POST", url, headers=HEADERS, body=self._signed(parameters), client_cert=certificate'
_V3_AMOUNT = '"amount": {"refund": refund.amount_fen, "total": refund.total_fen, "currency": refund.currency},'
_V3_QUERY = 'response = await self._send("GET", f"{REFUNDS}/{quote(out_refund_no, safe=\'\')}")'
_V3_RESOLVED = "if (report.provider_refund_id, report.out_refund_no) != (refund_id, out_refund_no):"
_V3_CARD = 'body = _json({"out_refund_no": out_refund_no, "type": "MERCHANT_BANK_CARD"}).encode()'
_V3_FILE = 'headers = {"Accept": "*/*", "Authorization": self._authorize("GET", url.removeprefix(self._origin), b"")}'
_V3_BILL = 'answer = self._judge(await self._send("GET", BILLS[kind].format(named)), 200, answers.BILL)'
_V3_FUND = '"fund": "/v3/bill/fundflowbill?bill_date={}&account_type=BASIC&tar_type=GZIP",'
_V2_FUND = 'body = self._signed({**asked, "sign_type": codec.HMAC_SHA256})  # no other is taken here'
_V2_FUND_URL = 'certificate, url = self._certificate(), self._url("/pay/downloadfundflow", self._config.secapi_url)'
_V2_FUND_CERT = '"POST", url, headers=HEADERS, body=body, client_cert=certificate, target=target'
_V3_REFUNDED = 'refunded_at=codec.epoch(refund, "success_time") if status is RefundStatus.SUCCESS else None,'
_V3_SHA1 = 'if answer.get("hash_type") != "SHA1" or not isinstance(digest, str) or not _SHA1.fullmatch(digest):'
_DIGEST = "if sha1 is not None and not hmac.compare_digest(_digest(path, max_unpacked), sha1.lower()):"
_CUT = "if not ended and not (row and table == TOTALS_TABLE):"
_TOTAL = "if _figure(totals, name) * 100 != sums.get(name, 0):"
_NAMES = "for name in form.totals & totals.keys() | form.required:"
_YUAN = r'_YUAN = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?")'
_NUMBER = 'provider_number=row.get("微信支付业务单号", "") if kind == "other" else _word(row, "微信支付业务单号"),'
_BROKEN = "except (EOFError, zlib.error, gzip.BadGzipFile):"

REFUNDS = [
    Fault("judging", "a refusal believed without asking", "return await asked", "raise refused"),
    Fault("judging", "nothing there, and yet no refusal", "raise refused from None", "raise OutcomeUnknown from None"),
    Fault("judging", "a refund of another amount is ours", _OURS, _OURS.replace("report.amount_fen", "amount_fen")),
    Fault("judging", "a refund of another payment is ours", _OURS, _OURS.replace("report.provider_transaction_id", "transaction_id")),
    Fault("judging", "a refund of another number is ours", _OURS, _OURS.replace("report.out_refund_no", "out_refund_no")),
    Fault("v2a", "NOTENOUGH is final", '"NOTENOUGH": Throttled,  # the merchant tops up; then the same number', '"NOTENOUGH": Rejected,'),
    Fault("v2a", "another amount under the number is a refusal", '"REFUND_FEE_MISMATCH": OutcomeUnknown,  # there is a refund under this number, with another amount',
          '"REFUND_FEE_MISMATCH": Rejected,'),
    Fault("v2a", "a refused question is an answer", '"REFUNDNOTEXIST": NotFound,', '"REFUNDNOTEXIST": Rejected,'),
    Fault("v3a", "NOT_ENOUGH is final", '"NOT_ENOUGH": (403, Throttled),  # the merchant tops up; then the same number', '"NOT_ENOUGH": (403, Rejected),'),
    Fault("v3a", "wrong keys refuse refunds", '"SIGN_ERROR": (401, OutcomeUnknown),  # with such keys no query would be answered either',
          '"SIGN_ERROR": (401, Rejected),'),
    Fault("v3a", "a refused question says nothing is there", '"NO_AUTH": (403, OutcomeUnknown),', '"NO_AUTH": (403, NotFound),'),
    Fault("v2r", "accepted is done", 'return _refund_report({**fields, "refund_status": "PROCESSING"}, "query", signed=True)',
          'return _refund_report({**fields, "refund_status": "SUCCESS"}, "query", signed=True)'),
    Fault("v2r", "the first refund is ours", _V2_INDEX, "index = next(listed, None)"),
    Fault("v2r", "REFUNDCLOSE is success", '"REFUNDCLOSE": RefundStatus.CLOSED,', '"REFUNDCLOSE": RefundStatus.SUCCESS,'),
    Fault("v2r", "CHANGE is final", '"CHANGE": RefundStatus.ABNORMAL,', '"CHANGE": RefundStatus.CLOSED,'),
    Fault("v2c", "answers about other refunds", _V2_ABOUT, 'for name in ("out_trade_no",):'),
    Fault("v2c", "the refund's amount is the order's", "refund_fee=str(refund.amount_fen),", "refund_fee=str(refund.total_fen),"),
    Fault("v2c", "the order's amount is the refund's", "total_fee=str(refund.total_fen),", "total_fee=str(refund.amount_fen),"),
    Fault("v2c", "no address for results", "notify_url=refund.notify_url,", 'notify_url="",'),
    Fault("v2c", "no certificate shown", _V2_CERT, '"POST", url, headers=HEADERS, body=self._signed(parameters)'),
    Fault("v2c", "refunds sent where no certificate is asked for", _V2_BASE, "url = self._url(path)"),
    Fault("v2c", "refunds sent without a certificate", "if not (self._config.cert_file and self._config.key_file):",
          "if not (self._config.cert_file or self._config.key_file):"),
    Fault("v2c", "signed as today, not as stored", 'return codec.build({**fields, "sign": codec.sign(fields, self._key, parameters["sign_type"])})',
          'return codec.build({**fields, "sign": codec.sign(fields, self._key, self._config.sign_type)})'),
    Fault("v2c", "a refused refund by the orders' table", 'fields = await self._call("/secapi/pay/refund", asked, answers.REFUND, certificate)',
          'fields = await self._call("/secapi/pay/refund", asked, answers.TABLE, certificate)'),
    Fault("transport", "the authority of refunds is nobody's", "request.ca_certs = shown.ca_certs or self._ca_certs", "request.ca_certs = self._ca_certs"),
    Fault("v3r", "the API's state under the notification's name", 'return _refund_report(refund, "status", "query")',
          'return _refund_report(refund, "refund_status", "query")'),
    Fault("v3r", "unknown states are open", 'raise Malformed("a refund in no documented state") from None', "return RefundStatus.PROCESSING"),
    Fault("v3r", "every refund has a time", _V3_REFUNDED, 'refunded_at=codec.epoch(refund, "success_time"),'),
    Fault("v3c", "the refund's amount is the order's", _V3_AMOUNT, _V3_AMOUNT.replace("refund.amount_fen", "refund.total_fen")),
    Fault("v3c", "the order's amount is the refund's", _V3_AMOUNT, _V3_AMOUNT.replace("refund.total_fen", "refund.amount_fen")),
    Fault("v3c", "numbers not encoded", _V3_QUERY, 'response = await self._send("GET", f"{REFUNDS}/{out_refund_no}")'),
    Fault("v3c", "any refund answers a query", "if report.out_refund_no != out_refund_no:", "if not report.out_refund_no:"),
    Fault("v3c", "any refund is resolved", _V3_RESOLVED, "if not report.provider_refund_id:"),
    Fault("v3c", "to the payer's card without its data", _V3_CARD, _V3_CARD.replace("MERCHANT", "USER")),
    Fault("v3c", "no key named", "serial = self._public_key_id or self._keys.newest(int(self._now()))  # required here (v3.md 13.3)",
          "serial = self._public_key_id"),
    Fault("v3c", "a refused refund by the orders' table", "report = self._refund_report(response, answers.REFUND)",
          "report = self._refund_report(response, answers.TABLE)"),
    Fault("keys", "the oldest certificate named", "return max(valid, key=lambda each: each.expires_at).serial_no if valid else None", "return None"),
]  # fmt: skip

BILLS = [
    Fault("bill", "no digest", _DIGEST, "if sha1 is not None and not _digest(path, max_unpacked):"),
    Fault("bill", "the digest of the packed file", "for piece in _pieces(path, limit, lines=False):", 'for piece in [path.read_bytes()]:'),
    Fault("bill", "upper-case digests refused", _DIGEST, _DIGEST.replace("sha1.lower()", "sha1")),
    Fault("bill", "split on every comma", 'return text.removeprefix("`").split(",`")', 'return [value.removeprefix("`") for value in text.split(",")]'),
    Fault("bill", "back-ticks kept", 'return text.removeprefix("`").split(",`")', 'return text.split(",`")'),
    Fault("bill", "cut lines taken", _CUT, "if False:"),
    Fault("bill", "totals without a line end refused", _CUT, "if not ended:"),
    Fault("bill", "bills without totals taken", "if totals is None:", "if False:"),
    Fault("bill", "totals may be missing", _NAMES, "for name in form.totals & totals.keys():"),
    Fault("form", "lines not counted", 'adds = {"总交易单数": 100}', 'adds = {"总交易单数": 0}'),
    Fault("bill", "totals not compared", _TOTAL, "if False:"),
    Fault("bill", "older totals not compared", _TOTAL, _TOTAL.replace(":", ' and "总交易额" not in totals:')),
    Fault("bill", "sums of the last line only", "sums.update(form.adds(row))", "sums = Counter(form.adds(row))"),
    Fault("bill", "a second table of totals", "elif totals is None and table == TOTALS_TABLE:", "elif table >= TOTALS_TABLE:"),
    Fault("form", "parts of a fen dropped", _YUAN, _YUAN.replace("{1,2}", "{1,5}")),
    Fault("form", "any digits", _YUAN, _YUAN.replace("[0-9]{1,10}", r"\d{1,10}")),
    Fault("form", "floats", "return int(Decimal(row[column]) * 100)", "return int(float(row[column]) * 100)"),
    Fault("form", "yuan are fen", "return int(Decimal(row[column]) * 100)", "return int(Decimal(row[column]))"),
    Fault("form", "what was settled is what was paid", 'PAID = ("订单金额", "应结订单金额", "总金额")', 'PAID = ("应结订单金额", "订单金额", "总金额")'),
    Fault("form", "what was settled is what went back", 'REFUNDED = ("申请退款金额", "退款金额")', 'REFUNDED = ("退款金额", "申请退款金额")'),
    Fault("form", "the oldest name of the amount unknown", 'PAID = ("订单金额", "应结订单金额", "总金额")', 'PAID = ("订单金额", "应结订单金额")'),
    Fault("form", "refunds are payments", 'back = kind == "refund"', "back = False"),
    Fault("form", "unknown kinds are payments", 'kind = KINDS.get(row.get("交易状态", ""))', 'kind = KINDS.get(row.get("交易状态", ""), "payment")'),
    Fault("form", "numbers swapped", 'out_trade_no=_word(row, "商户订单号"),', 'out_trade_no=_word(row, "微信订单号"),'),
    Fault("form", "refund numbers swapped", 'out_refund_no=_word(row, "商户退款单号") if back else "",', 'out_refund_no=_word(row, "微信退款单号") if back else "",'),
    Fault("form", "times of this machine", "return int(datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp())",
          "return int(datetime.fromisoformat(text).timestamp())"),
    Fault("form", "what was paid is what is settled", 'PAID_OUT = ("应结订单金额", "总金额")', 'PAID_OUT = ("订单金额", "应结订单金额", "总金额")'),
    Fault("form", "what was asked back is what was taken back", 'TAKEN_BACK = ("退款金额",)', 'TAKEN_BACK = ("申请退款金额", "退款金额")'),
    Fault("form", "all that goes out comes in", 'SIGNS = {"收入": 1, "支出": -1}', 'SIGNS = {"收入": 1, "支出": 1}'),
    Fault("form", "either way is a payment", '("交易", "收入"): "payment",', '("交易", "支出"): "payment",'),
    Fault("form", "fees are payments", 'kind = MOVES.get((row.get("业务类型", ""), row.get("收支类型", "")), "other")',
          'kind = MOVES.get((row.get("业务名称", ""), row.get("收支类型", "")), "payment")'),
    Fault("form", "the movement's own number", _NUMBER, _NUMBER.replace('_word(row, "微信支付业务单号")', '_word(row, "资金流水单号")')),
    Fault("form", "one kind of brackets", 'MOVED = ("收支金额(元)", "收支金额（元）")  # official samples have either bracket', 'MOVED = ("收支金额(元)",)'),
    Fault("form", "the balance is what moved", 'amount_fen=_sign(row) * _fen(row, MOVED),', 'amount_fen=_sign(row) * _fen(row, ("账户结余(元)",)),'),
    Fault("form", "movements not counted", 'return {"资金流水总笔数": 100, f"{way}笔数": 100, f"{way}金额": _fen(row, MOVED)}',
          'return {"资金流水总笔数": 100, f"{way}笔数": 0, f"{way}金额": _fen(row, MOVED)}'),
    Fault("v2", "any digest", 'found = _DIGEST.fullmatch(headers.get("Digest", ""))', 'found = _DIGEST.search(headers.get("Digest", ""))'),
    Fault("v2a", "nothing moved is an error", '"NO_BILL_EXIST": NotFound,  # nothing moved that day', '"NO_BILL_EXIST": Rejected,'),
    Fault("v2a", "not ready is no movement", '"BILL_CREATING": NotReady,', '"BILL_CREATING": NotFound,'),
    Fault("v2c", "fund flows in MD5", _V2_FUND, "body = self._signed(asked)"),
    Fault("v2c", "fund flows without a certificate", _V2_FUND_CERT, _V2_FUND_CERT.replace("client_cert=certificate, ", "")),
    Fault("v2c", "fund flows where no certificate is asked for", _V2_FUND_URL, _V2_FUND_URL.replace(", self._config.secapi_url", "")),
    Fault("v2c", "the digest of fund flows unread", 'sha1 = codec.bill_digest(response.headers) if kind == "fund" else None', "sha1 = None"),
    Fault("v2c", "fund flows that nobody can fetch", "certified = bool(config.cert_file and config.key_file)", "certified = bool(config.cert_file)"),
    Fault("v3c", "another account's movements", _V3_FUND, _V3_FUND.replace("BASIC", "FEES")),
    Fault("v3c", "v3 bills read in the loop", "return await asyncio.to_thread(bill.read, target, kind, sha1)", "return bill.read(target, kind, sha1)"),
    Fault("bill", "the mark stays", 'yield number, raw.removeprefix(BOM if number == 1 else b"").decode().rstrip("\\r\\n"), ended',
          'yield number, raw.decode().rstrip("\\r\\n"), ended'),
    Fault("bill", "a bomb goes off", "if size > limit:", "if False:"),
    Fault("bill", "broken archives crash", _BROKEN, _BROKEN.replace("zlib.error, ", "")),
    Fault("bill", "cut archives crash", _BROKEN, _BROKEN.replace("EOFError, ", "")),
    Fault("bill", "lines not numbered in errors", 'raise Malformed(f"line {number}: {error}") from None', "raise"),
    Fault("v2", "a mark hides a failure", 'text = head.removeprefix(b"\\xef\\xbb\\xbf").lstrip()', "text = head.lstrip()"),
    Fault("v2a", "no trade is an error", '"nobillexist": NotFound,  # no trade that day', '"nobillexist": Rejected,'),
    Fault("v2a", "not ready is an empty bill", '"billcreating": NotReady,', '"billcreating": NotFound,'),
    Fault("v2c", "the date with dashes", 'response = await fetch(named.strftime("%Y%m%d"), target)', "response = await fetch(day, target)"),
    Fault("v2c", "error pages taken for bills", "_judge_status(response)", "pass", nth=1),
    Fault("v2c", "bills read in the loop", "return await asyncio.to_thread(bill.read, target, kind, sha1)", "return bill.read(target, kind, sha1)"),
    Fault("v3", "other digests", _V3_SHA1, _V3_SHA1.replace('answer.get("hash_type") != "SHA1" or ', "")),
    Fault("v3a", "no trade is an error", '"NO_STATEMENT_EXIST": (400, NotFound),  # no trade that day', '"NO_STATEMENT_EXIST": (400, Rejected),'),
    Fault("v3a", "a promised file is an empty day", "BILL_FILE: Table = {code: row for code, row in BILL.items() if row[1] is not NotFound}", "BILL_FILE = BILL"),
    Fault("v3c", "the date without dashes", _V3_BILL, _V3_BILL.replace("named", 'named.replace("-", "")')),
    Fault("v3c", "our signature to anybody", 'if not url.startswith(f"{self._origin}/"):', 'if not url.startswith("http"):'),
    Fault("v3c", "our signature to whose name begins alike", 'if not url.startswith(f"{self._origin}/"):', "if not url.startswith(self._origin):"),
    Fault("v3c", "the query not signed", _V3_FILE, _V3_FILE.replace("url.removeprefix(self._origin)", 'url.removeprefix(self._origin).partition("?")[0]')),
    Fault("v3c", "the digest not asked for", "return await asyncio.to_thread(bill.read, target, kind, sha1)", "return await asyncio.to_thread(bill.read, target, kind)"),
    Fault("v3c", "error pages taken for bills", "if response.status != 200:", "if False:", nth=1),
    Fault("transport", "files of any size", "self._files = _Lane(2, file_deadline, file_max_body)", "self._files = _Lane(2, file_deadline, 10**12)"),
    Fault("transport", "no deadline for files", "self._files = _Lane(2, file_deadline, file_max_body)", "self._files = _Lane(2, 60.0, file_max_body)"),
    Fault("transport", "a full disk unnoticed", "if self._failed is not None and kind is None:", "if False:"),
]  # fmt: skip

FAULTS = [*REFUNDS, *BILLS]

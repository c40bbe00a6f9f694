"""The faults that ``tools/mutants.py`` plants: one wrong line of protocol each, as data.

A row names a file by its short name, the exact line (without indentation) and what takes its place. A line that stands
in the file more than once needs ``nth``, counted from 1. Nothing here runs anything.
"""

# ruff: noqa: E501  (lines quoted here are as long as they are there)

from __future__ import annotations

from dataclasses import dataclass

FILES = {
    "v2": "adapters/wechat_v2/codec.py",
    "v2r": "adapters/wechat_v2/reports.py",
    "v3": "adapters/wechat_v3/codec.py",
    "v3r": "adapters/wechat_v3/reports.py",
    "v3a": "adapters/wechat_v3/answers.py",
    "keys": "adapters/wechat_v3/platform_keys.py",
    "words": "adapters/wechat_words.py",
}


@dataclass(frozen=True, slots=True)
class Fault:
    file: str
    why: str
    line: str
    wrong: str
    nth: int = 0  # 0: the line is unique


_V2_PAIRS = 'pairs = [f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != ""]'
_V2_MD5 = "return hashlib.md5(message).hexdigest().upper()"
_V2_HMAC = "return hmac.new(api_key.encode(), message, hashlib.sha256).hexdigest().upper()"
_V2_COMPARE = "if not hmac.compare_digest(given.encode(), sign(fields, api_key, scheme).encode()):"
_V2_PAYSIGN = 'return {**values, "paySign": sign({"appId": appid, **values}, api_key, scheme)}'
_V2_BARE = 'if not fields.get("sign") and fields.get("err_code") == "SYSTEMERROR":'
_V2_SCHEME = 'scheme = fields.get("sign_type") or {32: MD5, 64: HMAC_SHA256}.get(len(fields.get("sign", "")), "")'
_V2_SUCCESS = 'if fields.get("return_code") != "SUCCESS":'
_V2_REFUND_KEY = "return hashlib.md5(api_key.encode()).hexdigest().encode()"
_V2_UNPAD = "return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()"
_V2_EPOCH = "return int(datetime.strptime(text, shape).replace(tzinfo=BEIJING).timestamp())"
_V2_LIMITS = r'if len(body) > MAX_XML or "\x00" in text or text.startswith("\ufeff"):'
_V2_REFUSED = 'for refused in ("StartDoctypeDecl", "EntityDecl", "Comment", "ProcessingInstruction"):'
_V2_ELEMENT = "if attributes or misplaced or (self._open and name in self.fields):"
_V2_PLACE = "misplaced = name != self._root if not self._open else len(self._open) > 1"

V2_SIGNATURE = [
    Fault("v2", "names not sorted", _V2_PAIRS, _V2_PAIRS.replace("sorted(fields)", "fields")),
    Fault("v2", "names sorted without case", _V2_PAIRS, _V2_PAIRS.replace("(fields)", "(fields, key=str.lower)")),
    Fault("v2", "names sorted backwards", _V2_PAIRS, _V2_PAIRS.replace("(fields)", "(fields, reverse=True)")),
    Fault("v2", "empty values signed", _V2_PAIRS, _V2_PAIRS.replace(' and fields[name] != ""', "")),
    Fault("v2", "zero not signed", _V2_PAIRS, _V2_PAIRS.replace('!= ""', 'not in ("", "0")')),
    Fault("v2", "blank not signed", _V2_PAIRS, _V2_PAIRS.replace('fields[name] != ""', 'fields[name].strip() != ""')),
    Fault("v2", "sign signs itself", _V2_PAIRS, _V2_PAIRS.replace('name != "sign" and ', "")),
    Fault("v2", "sign_type not signed", _V2_PAIRS, _V2_PAIRS.replace('!= "sign"', 'not in ("sign", "sign_type")')),
    Fault("v2", "values trimmed", _V2_PAIRS, _V2_PAIRS.replace("{fields[name]}", "{fields[name].strip()}")),
    Fault("v2", "values without +", _V2_PAIRS, _V2_PAIRS.replace("{fields[name]}", "{fields[name].replace('+', ' ')}")),
    Fault("v2", "no key", 'return "&".join([*pairs, f"key={api_key}"])', 'return "&".join(pairs)'),
    Fault("v2", "key without a name", 'return "&".join([*pairs, f"key={api_key}"])', 'return "&".join([*pairs, api_key])'),
    Fault("v2", "no & before the key", 'return "&".join([*pairs, f"key={api_key}"])', 'return "&".join(pairs) + f"key={api_key}"'),
    Fault("v2", "MD5 in lower case", _V2_MD5, _V2_MD5.replace(".upper()", "")),
    Fault("v2", "SHA-1 for MD5", _V2_MD5, _V2_MD5.replace("md5", "sha1")),
    Fault("v2", "HMAC in lower case", _V2_HMAC, _V2_HMAC.replace(".upper()", "")),
    Fault("v2", "HMAC with a word for a key", _V2_HMAC, _V2_HMAC.replace("api_key.encode()", 'b"laoxie"')),
    Fault("v2", "plain SHA-256 for HMAC", _V2_HMAC, "return hashlib.sha256(message).hexdigest().upper()"),
    Fault("v2", "HMAC-SHA1", _V2_HMAC, _V2_HMAC.replace("sha256", "sha1")),
    Fault("v2", "unknown sign types fall to MD5", "if scheme == MD5:", "if scheme != HMAC_SHA256:"),
    Fault("v2", "no sign accepted", 'raise BadSignature("no sign")', "return"),
    Fault("v2", "sign_type not compared", 'if fields.get("sign_type", "") not in ("", scheme):', "if False:"),
    Fault("v2", "sign not compared", _V2_COMPARE, "if False:"),
    Fault("v2", "sign compared without case", _V2_COMPARE, _V2_COMPARE.replace("given.", "given.upper().")),
    Fault("v2", "only the beginning compared", _V2_COMPARE, "if not sign(fields, api_key, scheme).startswith(given):"),
    Fault("v2", "paySign in milliseconds", '"timeStamp": str(timestamp),', '"timeStamp": str(timestamp * 1000),'),
    Fault("v2", "package without prepay_id=", '"package": f"prepay_id={prepay_id}",', '"package": prepay_id,'),
    Fault("v2", "signType always MD5", '"signType": scheme,', '"signType": MD5,'),
    Fault("v2", "paySign without appId", _V2_PAYSIGN, _V2_PAYSIGN.replace('"appId": appid, ', "")),
    Fault("v2", "paySign over appid", _V2_PAYSIGN, _V2_PAYSIGN.replace("appId", "appid")),
    Fault("v2", "paySign always MD5", _V2_PAYSIGN, _V2_PAYSIGN.replace("api_key, scheme", "api_key, MD5")),
]  # fmt: skip

V2_MESSAGES = [
    Fault("v2", "CDATA closed from inside", 'return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"',
          'return "<![CDATA[" + value + "]]>"'),
    Fault("v2", "]]> swallowed", 'return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"',
          'return "<![CDATA[" + value.replace("]]>", "") + "]]>"'),
    Fault("v2", "names not checked", "if not _NAME.fullmatch(name) or _UNWRITABLE.search(value):", "if _UNWRITABLE.search(value):"),
    Fault("v2", "characters not checked", "if not _NAME.fullmatch(name) or _UNWRITABLE.search(value):", "if not _NAME.fullmatch(name):"),
    Fault("v2", "unsigned FAIL is not unknown", 'if fields.get("return_code") == "FAIL":', "if False:"),
    Fault("v2", "bare SYSTEMERROR is not unknown", _V2_BARE, "if False:"),
    Fault("v2", "any unsigned answer is SYSTEMERROR", _V2_BARE, 'if not fields.get("sign"):'),
    Fault("v2", "any SYSTEMERROR needs no sign", _V2_BARE, 'if fields.get("err_code") == "SYSTEMERROR":'),
    Fault("v2", "answers not verified", "verify(fields, api_key, scheme)", "pass", 1),
    Fault("v2", "answers verified in the scheme they choose", "verify(fields, api_key, scheme)",
          'verify(fields, api_key, MD5 if len(fields.get("sign", "")) == 32 else HMAC_SHA256)', 1),
    Fault("v2", "answers without return_code", _V2_SUCCESS, "if False:", 1),
    Fault("v2", "notifications not verified", "verify(fields, api_key, scheme)", "pass", 2),
    Fault("v2", "notifications always MD5", _V2_SCHEME, "scheme = MD5"),
    Fault("v2", "notifications need sign_type", _V2_SCHEME, 'scheme = fields.get("sign_type") or MD5'),
    Fault("v2", "unknown sign types get through", "if scheme not in (MD5, HMAC_SHA256):", "if False:"),
    Fault("v2", "notifications without return_code", _V2_SUCCESS, "if False:", 2),
    Fault("v2", "a signed message taken for a refund", 'return "req_info" in fields and "sign" not in fields', 'return "req_info" in fields'),
    Fault("v2", "refund key of 16 bytes", _V2_REFUND_KEY, _V2_REFUND_KEY.replace(".hexdigest().encode()", ".digest()")),
    Fault("v2", "refund key in upper case", _V2_REFUND_KEY, _V2_REFUND_KEY.replace(".hexdigest()", ".hexdigest().upper()")),
    Fault("v2", "refund key without leading zeros", _V2_REFUND_KEY,
          'return f"{int(hashlib.md5(api_key.encode()).hexdigest(), 16):x}".encode()'),
    Fault("v2", "req_info with spare bits", "if base64.b64encode(sealed).decode() != text:", "if False:"),
    Fault("v2", "padding left on", _V2_UNPAD, "return decryptor.update(sealed) + decryptor.finalize()"),
    Fault("v2", "refund notice with another root", 'return _parse_flat(plain, "root")', 'return _parse_flat(plain, "xml")'),
    Fault("v2", "0 and 01 are amounts", '_FEN = re.compile(r"[1-9][0-9]{0,9}")', '_FEN = re.compile(r"[0-9]{1,10}")'),
    Fault("v2", "amounts in any script", '_FEN = re.compile(r"[1-9][0-9]{0,9}")', r'_FEN = re.compile(r"[^\W0]\d{0,9}")'),
    Fault("v2", "amounts of any length", '_FEN = re.compile(r"[1-9][0-9]{0,9}")', '_FEN = re.compile(r"[1-9][0-9]*")'),
    Fault("v2", "amounts in yuan", "return int(fields[name])", "return int(fields[name]) * 100"),
    Fault("v2", "Beijing is UTC", "BEIJING = timezone(timedelta(hours=8))  # fixed, whatever zone this machine is in",
          "BEIJING = timezone(timedelta(hours=0))"),
    Fault("v2", "times of payment in milliseconds", _V2_EPOCH, _V2_EPOCH.replace("())", "() * 1000)")),
    Fault("v2", "times of payment in UTC", _V2_EPOCH, _V2_EPOCH.replace("BEIJING", "timezone.utc")),
    Fault("v2", "times of orders in UTC", 'return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y%m%d%H%M%S")',
          'return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y%m%d%H%M%S")'),
    Fault("v2", "XML of any size", _V2_LIMITS, _V2_LIMITS.replace("len(body) > MAX_XML or ", "")),
    Fault("v2", "XML with a BOM", _V2_LIMITS, _V2_LIMITS.replace(r' or text.startswith("\ufeff")', "")),
    Fault("v2", "DOCTYPE accepted", _V2_REFUSED, _V2_REFUSED.replace('"StartDoctypeDecl", ', "")),
    Fault("v2", "DTD and entities accepted", _V2_REFUSED, 'for refused in ("Comment", "ProcessingInstruction"):'),
    Fault("v2", "comments accepted", _V2_REFUSED, _V2_REFUSED.replace('"Comment", ', "")),
    Fault("v2", "processing instructions accepted", _V2_REFUSED, _V2_REFUSED.replace(', "ProcessingInstruction"', "")),
    Fault("v2", "other encodings declared", 'if encoding is not None and encoding.upper() != "UTF-8":', "if False:"),
    Fault("v2", "attributes accepted", _V2_ELEMENT, _V2_ELEMENT.replace("attributes or ", "")),
    Fault("v2", "repeated elements accepted", _V2_ELEMENT, "if attributes or misplaced:"),
    Fault("v2", "nested elements accepted", _V2_PLACE, "misplaced = name != self._root if not self._open else False"),
    Fault("v2", "any root accepted", _V2_PLACE, "misplaced = len(self._open) > 1"),
    Fault("v2", "text between elements accepted", r'elif text.strip(" \t\r\n"):', "elif False:"),
    Fault("v2", "values trimmed on reading", 'self.fields[name] = "".join(self._text)', 'self.fields[name] = "".join(self._text).strip()'),
    Fault("v2", "only the last piece of a value", 'self.fields[name] = "".join(self._text)', 'self.fields[name] = "".join(self._text[-1:])'),
    Fault("v2", "values run together", "self._text.clear()", "pass"),
]  # fmt: skip

_V2_TOTAL = 'amount_fen=codec.fen(fields, "total_fee") if paid or fields.get("total_fee") else None,'
_V2_FEE_TYPE = 'currency=word(fields, "fee_type", 16) if fields.get("fee_type") else "CNY",'
_V2_HINT = (
    'return Notification(f"v2r:{_digest(fields)}", "refund", _refund_report(fields, "notification", signed=False))'
)

V2_MEANING = [
    Fault("v2r", "amount after coupons", _V2_TOTAL, _V2_TOTAL.replace('fields, "total_fee"', 'fields, "cash_fee"')),
    Fault("v2r", "amount of settlement", _V2_TOTAL, _V2_TOTAL.replace('fields, "total_fee"', 'fields, "settlement_total_fee"')),
    Fault("v2r", "currency assumed", _V2_FEE_TYPE, 'currency="CNY",'),
    Fault("v2r", "a signed failure pays", 'if fields.get("result_code") != "SUCCESS":', 'if fields.get("return_code") != "SUCCESS":'),
    Fault("v2r", "refund notices are evidence", _V2_HINT, _V2_HINT.replace("False", "True")),
    Fault("v2r", "refunds of the whole order", 'amount_fen=codec.fen(fields, "refund_fee"),', 'amount_fen=codec.fen(fields, "total_fee"),'),
    Fault("v2r", "CHANGE is success", '"CHANGE": RefundStatus.ABNORMAL,', '"CHANGE": RefundStatus.SUCCESS,'),
    Fault("v2r", "the scheme forgotten", "scheme=scheme,", 'scheme="MD5",'),
]  # fmt: skip

_V3_REQUEST = r'return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"'
_V3_PAY = r'message = f"{appid}\n{timestamp}\n{nonce}\n{package}\n".encode()'
_V3_TYPE = 'if "wechatpay-signature-type" in told and _once(told, "Wechatpay-Signature-Type") != SCHEME:'
_V3_FORM = "if not _TIMESTAMP.fullmatch(stamp) or not _NONCE.fullmatch(nonce):"
_V3_WINDOW = "if abs(now - int(stamp)) > WINDOW:"
_V3_MESSAGE = r'message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"'
_V3_VERIFY = "keys[serial].verify(_unbase64(signature), message, PKCS1v15(), SHA256())"

V3_SIGNATURE = [
    Fault("v3", "no newline at the end of a request", _V3_REQUEST, _V3_REQUEST.replace(r' + b"\n"', "")),
    Fault("v3", "method in lower case", _V3_REQUEST, _V3_REQUEST.replace("{method}", "{method.lower()}")),
    Fault("v3", "query not signed", _V3_REQUEST, _V3_REQUEST.replace("{target}", "{target.split('?')[0]}")),
    Fault("v3", "host signed", _V3_REQUEST, _V3_REQUEST.replace("{target}", "https://api.mch.weixin.qq.com{target}")),
    Fault("v3", "timestamp and nonce swapped", _V3_REQUEST, _V3_REQUEST.replace(r"{timestamp}\n{nonce}", r"{nonce}\n{timestamp}")),
    Fault("v3", "timestamp in milliseconds", _V3_REQUEST, _V3_REQUEST.replace("{timestamp}", "{timestamp}000")),
    Fault("v3", "body not signed", _V3_REQUEST, _V3_REQUEST.replace(" + body", "")),
    Fault("v3", "signature in URL-safe base64", "return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()",
          "return base64.urlsafe_b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()"),
    Fault("v3", "mchid for serial_no", """f'timestamp="{timestamp}",serial_no="{serial_no}"'""", """f'timestamp="{timestamp}",serial_no="{mchid}"'"""),
    Fault("v3", "nonce for nonce_str", """f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signature}",'""",
          """f'{SCHEME} mchid="{mchid}",nonce="{nonce}",signature="{signature}",'"""),
    Fault("v3", "package without prepay_id=", 'package = f"prepay_id={prepay_id}"', "package = prepay_id"),
    Fault("v3", "no newline at the end of paySign", _V3_PAY, _V3_PAY.replace(r'{package}\n"', '{package}"')),
    Fault("v3", "paySign over the bare prepay_id", _V3_PAY, _V3_PAY.replace("{package}", "{prepay_id}")),
    Fault("v3", "paySign with nonce before time", _V3_PAY, _V3_PAY.replace(r"{timestamp}\n{nonce}", r"{nonce}\n{timestamp}")),
    Fault("v3", "paySign without appid", _V3_PAY, _V3_PAY.replace(r"{appid}\n", "")),
    Fault("v3", "client time in milliseconds", '"timeStamp": str(timestamp),', '"timeStamp": str(timestamp * 1000),'),
    Fault("v3", "signType of v2", '"signType": "RSA",', '"signType": "MD5",'),
    Fault("v3", "probes accepted", 'raise SignatureProbe("a signature probe")', "return"),
    Fault("v3", "probes not told apart", 'raise SignatureProbe("a signature probe")', 'raise BadSignature("a signature probe")'),
    Fault("v3", "signature type ignored", _V3_TYPE, "if False:"),
    Fault("v3", "signature type demanded", _V3_TYPE, 'if _once(told, "Wechatpay-Signature-Type") != SCHEME:'),
    Fault("v3", "timestamp of any form", _V3_FORM, "if not stamp.isdigit() or not _NONCE.fullmatch(nonce):"),
    Fault("v3", "nonce of any form", _V3_FORM, "if not _TIMESTAMP.fullmatch(stamp):"),
    Fault("v3", "old messages accepted", _V3_WINDOW, "if int(stamp) - now > WINDOW:"),
    Fault("v3", "messages of the future accepted", _V3_WINDOW, "if now - int(stamp) > WINDOW:"),
    Fault("v3", "exactly five minutes refused", _V3_WINDOW, _V3_WINDOW.replace(">", ">=")),
    Fault("v3", "no window", _V3_WINDOW, "if False:"),
    Fault("v3", "a window of a minute more", "WINDOW = 300  # seconds either side; at exactly 300 the SDKs differ, and we accept", "WINDOW = 360"),
    Fault("v3", "any key for an unknown serial", "if serial not in keys:",
          'if serial not in keys and (serial := next(iter(keys), "")) not in keys:'),
    Fault("v3", "serials without case", "if serial not in keys:", "if (serial := serial.upper()) not in keys:"),
    Fault("v3", "always the first key", _V3_VERIFY, _V3_VERIFY.replace("keys[serial]", "next(iter(keys.values()))")),
    Fault("v3", "no newline at the end of a message", _V3_MESSAGE, _V3_MESSAGE.replace(r' + b"\n"', "")),
    Fault("v3", "nonce before timestamp", _V3_MESSAGE, _V3_MESSAGE.replace(r"{stamp}\n{nonce}", r"{nonce}\n{stamp}")),
    Fault("v3", "nonce not covered", _V3_MESSAGE, _V3_MESSAGE.replace(r"{nonce}\n", "")),
    Fault("v3", "body trimmed before verifying", _V3_MESSAGE, _V3_MESSAGE.replace("+ body +", "+ body.strip() +")),
    Fault("v3", "body not covered", _V3_MESSAGE, _V3_MESSAGE.replace(" + body", "")),
    Fault("v3", "signature not compared", _V3_VERIFY, "_unbase64(signature)"),
    Fault("v3", "a wrong signature let through", 'raise BadSignature("signature does not match") from None', "return"),
    Fault("v3", "repeated headers accepted", "told[name] = None if name in told else value", "told[name] = value"),
    Fault("v3", "headers by exact case", "name = given.lower()", "name = given"),
    Fault("v3", "signature with spare bits", "if base64.b64encode(raw).decode() != text:", "if False:"),
]  # fmt: skip

_V3_NOTICE = "resource=_object(loads(_open(sealed, api_key))),"
_V3_FOUND = "verify(headers, body, {**{each.serial_no: each.key for each in found}, **keys}, now)"
_V3_CERTIFICATE = (
    'if not isinstance(key, RSAPublicKey) or f"{certificate.serial_number:X}" != serial.upper().lstrip("0"):'
)
_V3_UNSEAL = (
    'return decrypt(api_key, sealed.get("nonce"), sealed.get("associated_data") or "", sealed.get("ciphertext"))'
)
_V3_GCM = "return _cipher(api_key).decrypt(nonce.encode(), _unbase64(ciphertext), associated_data.encode())"
_V3_TEXT = 'return _STRICT.decode(body.decode("utf-8"))'
_V3_JSON = "_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)"
_V3_FEN = "if type(value) is not int or not 1 <= value <= 9_999_999_999:"
_V3_EPOCH = "return int(datetime.fromisoformat(match[1] + match[2]).timestamp())"

V3_MESSAGES = [
    Fault("v3", "answers not verified", "verify(headers, body, keys, now)", "pass", 1),
    Fault("v3", "empty answers not verified", "verify(headers, body, keys, now)",
          "verify(headers, body, keys, now) if body else None", 1),
    Fault("v3", "notifications not verified", "verify(headers, body, keys, now)", "pass", 2),
    Fault("v3", "state read from the clear envelope", _V3_NOTICE, "resource=message,"),
    Fault("v3", "certificates not verified", _V3_FOUND, "pass"),
    Fault("v3", "a downloaded key replaces a known one", _V3_FOUND,
          "verify(headers, body, {**keys, **{each.serial_no: each.key for each in found}}, now)"),
    Fault("v3", "no bootstrap", _V3_FOUND, "verify(headers, body, keys, now)"),
    Fault("v3", "certificate under any serial", _V3_CERTIFICATE, "if not isinstance(key, RSAPublicKey):"),
    Fault("v3", "expires when it begins", "return Certificate(serial, key, int(certificate.not_valid_after_utc.timestamp()))",
          "return Certificate(serial, key, int(certificate.not_valid_before_utc.timestamp()))"),
    Fault("v3", "any cipher", 'if sealed.get("algorithm") != CIPHER:', "if False:"),
    Fault("v3", "associated data demanded", _V3_UNSEAL, _V3_UNSEAL.replace(' or ""', "")),
    Fault("v3", "nonce and ciphertext swapped", _V3_UNSEAL,
          'return decrypt(api_key, sealed.get("ciphertext"), sealed.get("associated_data") or "", sealed.get("nonce"))'),
    Fault("v3", "associated data always transaction", _V3_GCM, _V3_GCM.replace("associated_data.encode()", 'b"transaction"')),
    Fault("v3", "associated data left out", _V3_GCM, _V3_GCM.replace("associated_data.encode()", "None")),
    Fault("v3", "nonce and associated data swapped", _V3_GCM,
          "return _cipher(api_key).decrypt(associated_data.encode(), _unbase64(ciphertext), nonce.encode())"),
    Fault("v3", "nonce of any length", "if len(nonce.encode()) != 12:", "if False:"),
    Fault("v3", "a resource that does not open is empty", 'raise BadSignature("the resource does not open") from None', 'return b"{}"'),
    Fault("v3", "repeated JSON keys", "if len(values) != len(pairs):", "if False:"),
    Fault("v3", "NaN and Infinity", _V3_JSON, _V3_JSON.replace(" parse_constant=_refuse,", "")),
    Fault("v3", "1e400", _V3_JSON, _V3_JSON.replace(", parse_float=_finite", "")),
    Fault("v3", "JSON with a BOM", _V3_TEXT, _V3_TEXT.replace('"utf-8"', '"utf-8-sig"')),
    Fault("v3", "bad UTF-8 replaced", _V3_TEXT, _V3_TEXT.replace('"utf-8"', '"utf-8", "replace"')),
    Fault("v3", "bottomless nesting", "except (ValueError, RecursionError):", "except ValueError:"),
    Fault("v3", "true is an amount", _V3_FEN, _V3_FEN.replace("type(value) is not int", "not isinstance(value, int)")),
    Fault("v3", "1.0 is an amount", _V3_FEN, _V3_FEN.replace("is not int", "not in (int, float)")),
    Fault("v3", "0 is an amount", _V3_FEN, _V3_FEN.replace("1 <=", "0 <=")),
    Fault("v3", "the zone of a time ignored", _V3_EPOCH, _V3_EPOCH.replace("match[2]", '"+00:00"')),
    Fault("v3", "times in milliseconds", _V3_EPOCH, _V3_EPOCH.replace("())", "() * 1000)")),
]  # fmt: skip

_V3_TOTAL = 'amount_fen=codec.fen(amount, "total") if paid or "total" in amount else None,'
_V3_CURRENCY = 'currency=word(amount, "currency", 16) if "currency" in amount else "CNY",'
_V3_PAYMENT = 'if envelope.original_type == "transaction" and envelope.event_type == "TRANSACTION.SUCCESS":'

V3_MEANING = [
    Fault("v3r", "amount after coupons", _V3_TOTAL, _V3_TOTAL.replace('(amount, "total")', '(amount, "payer_total")')),
    Fault("v3r", "currency assumed", _V3_CURRENCY, 'currency="CNY",'),
    Fault("v3r", "routed by event alone", _V3_PAYMENT, 'if envelope.event_type == "TRANSACTION.SUCCESS":'),
    Fault("v3r", "routed by object alone", _V3_PAYMENT, 'if envelope.original_type == "transaction":'),
    Fault("v3r", "refunds of the whole order", 'amount_fen=codec.fen(codec.part(refund, "amount"), "refund"),',
          'amount_fen=codec.fen(codec.part(refund, "amount"), "total"),'),
    Fault("v3r", "status for refund_status", 'return Notification(key, "refund", _refund_report(envelope.resource, "refund_status", "notification"))',
          'return Notification(key, "refund", _refund_report(envelope.resource, "status", "notification"))'),
    Fault("v3r", "refunded never told", 'refunded=trade_state == "REFUND",', "refunded=False,"),
    Fault("v3a", "the code before the status", "if status // 100 == response.status // 100:", "if status:"),
    Fault("v3a", "429 by code only", "if response.status == 429:", "if False:"),
    Fault("keys", "expired certificates verify", "valid = {serial: each.key for serial, each in self._certificates.items() if now < each.expires_at}",
          "valid = {serial: each.key for serial, each in self._certificates.items()}"),
    Fault("keys", "a useless list empties the keys", "if valid:", "if True:"),
    Fault("keys", "expired certificates taken over", "valid = {each.serial_no: each for each in listed if now < each.expires_at}",
          "valid = {each.serial_no: each for each in listed}"),
    Fault("keys", "a certificate in the public key's place", "return MappingProxyType({**valid, **self._public_key})",
          "return MappingProxyType({**self._public_key, **valid})"),
    Fault("keys", "certificates forgotten in public-key mode", "return MappingProxyType({**valid, **self._public_key})",
          "return MappingProxyType(self._public_key or valid)"),
]  # fmt: skip

_UNSEEN = "return TRADE_STATES.get(trade_state, TradeStatus.UNSEEN)"
_VISIBLE = '_VISIBLE = re.compile(r"[!-~]+")'
_WORD = "if not isinstance(value, str) or not _VISIBLE.fullmatch(value) or len(value) > limit:"

WORDS = [
    Fault("words", "REFUND taken for unpaid", '"REFUND": TradeStatus.PAID,', '"REFUND": TradeStatus.OPEN,'),
    Fault("words", "NOTPAY closes", '"NOTPAY": TradeStatus.OPEN,', '"NOTPAY": TradeStatus.CLOSED,'),
    Fault("words", "USERPAYING pays", '"USERPAYING": TradeStatus.OPEN,', '"USERPAYING": TradeStatus.PAID,'),
    Fault("words", "PAYERROR closes", '"PAYERROR": TradeStatus.OPEN,', '"PAYERROR": TradeStatus.CLOSED,'),
    Fault("words", "ACCEPT pays", '"ACCEPT": TradeStatus.OPEN,', '"ACCEPT": TradeStatus.PAID,'),
    Fault("words", "CLOSED stays open", '"CLOSED": TradeStatus.CLOSED,', '"CLOSED": TradeStatus.OPEN,'),
    Fault("words", "REVOKED stays open", '"REVOKED": TradeStatus.CLOSED,', '"REVOKED": TradeStatus.OPEN,'),
    Fault("words", "unseen states are open", _UNSEEN, _UNSEEN.replace("UNSEEN", "OPEN")),
    Fault("words", "unseen states pay", _UNSEEN, _UNSEEN.replace("UNSEEN", "PAID")),
    Fault("words", "words of any length", _WORD, _WORD.replace(" or len(value) > limit", "")),
    Fault("words", "words of any characters", _VISIBLE, _VISIBLE.replace('[!-~]+', '(?s:.+)')),
]  # fmt: skip

FAULTS = [*V2_SIGNATURE, *V2_MESSAGES, *V2_MEANING, *V3_SIGNATURE, *V3_MESSAGES, *V3_MEANING, *WORDS]

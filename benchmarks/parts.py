"""What an order and its payment cannot do without, each by itself: CPU of this process for one signature, one
verification, and one kept-alive call to the gateway stub over TLS.

    GATEWAY=https://127.0.0.1:9443 MERCHANT=folder python -m benchmarks.parts        (prints microseconds as JSON)
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.transport import Transport
from adapters.wechat_v3 import codec
from benchmarks.keys import Merchant

MESSAGE = b"x" * 500  # as long as what is signed and verified in a payment
BODY = json.dumps({"description": "x" * 450}).encode()
AT_ONCE = 32
TIMES = int(os.environ.get("TIMES", "20"))


def cpu_us(work: Callable[[], object], times: int) -> float:
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


async def call_us(url: str, ca_file: str) -> float:
    transport = Transport(ca_certs=ca_file)

    async def call() -> None:
        answer = await transport.request("POST", url, headers={"Content-Type": "application/json"}, body=BODY)
        assert answer.status == 200, answer.status

    async def at_once() -> None:
        await asyncio.gather(*(call() for _ in range(AT_ONCE)))

    await at_once()  # the connections are made here
    began = time.process_time()
    for _ in range(TIMES):
        await at_once()
    took = time.process_time() - began
    transport.close()
    return took / (TIMES * AT_ONCE) * 1e6


def main() -> None:
    merchant = Merchant(Path(os.environ["MERCHANT"]))
    private = merchant.private_key
    public, signature = private.public_key(), base64.b64decode(codec.sign(private, MESSAGE))
    call = call_us(f"{os.environ['GATEWAY']}/v3/pay/transactions/jsapi", merchant.ca_file)
    found = {
        "sign": cpu_us(lambda: codec.sign(private, MESSAGE), TIMES * 15),
        "verify": cpu_us(lambda: public.verify(signature, MESSAGE, PKCS1v15(), SHA256()), TIMES * 100),
        "call": asyncio.run(call),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

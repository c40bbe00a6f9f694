"""What a test heard in confidence, and the forms in which a secret would still be one: for those who search for it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx


@dataclass
class Heard:
    """Everything that left the servers, and what was said in confidence on the way."""

    answers: list[tuple[str, bytes]] = field(default_factory=list)  # path, head and body
    outputs: list[str] = field(default_factory=list)  # of commands
    tokens: set[str] = field(default_factory=set)
    pay_signs: set[str] = field(default_factory=set)
    openids: set[str] = field(default_factory=set)
    access_tokens: set[str] = field(default_factory=set)

    def hear(self, reply: httpx.Response) -> None:
        reply.read()
        head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
        self.answers.append((reply.request.url.path, head.encode() + reply.content))
        if reply.status_code == 200 and reply.request.url.path == "/api/login":
            self.tokens.add(reply.json()["token"])
        if reply.status_code == 200 and reply.request.url.path.endswith("/pay"):
            self.pay_signs.add(reply.json()["paySign"])


def forms(secret: str) -> set[bytes]:
    """A secret as it is, and as it would look after a change of writing."""
    raw = secret.encode()
    return {
        raw,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        base64.b64encode(raw).rstrip(b"=")[:-1],
        base64.urlsafe_b64encode(raw).rstrip(b"=")[:-1],
    }

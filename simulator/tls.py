"""The mutual-TLS listener's side of TLS: the server's certificate, and whose client certificates are believed.

A client without a certificate is let in, as at WeChat, and gets its page of refusal from ``door``; one with a
certificate of another authority is refused in the handshake. It must not know routes.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from simulator.merchant import Merchant


def server_context(merchant: Merchant) -> ssl.SSLContext:
    """What a server of secapi listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:  # mode 0700; the ssl module reads keys from files only
        chain = Path(folder) / "secapi.pem"
        chain.write_text(merchant.secapi_private_key + merchant.secapi_certificate, "ascii")
        context.load_cert_chain(chain)
    context.load_verify_locations(cadata=merchant.ca_certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def is_the_merchants(merchant: Merchant, certificate: bytes) -> bool:
    """Is this DER the merchant's own API certificate? (Its authority has signed others, too.)"""
    own = x509.load_pem_x509_certificate(merchant.merchant_certificate.encode("ascii"))
    return certificate == own.public_bytes(Encoding.DER)

"""A stand-in for WeChat's servers: its own process, its own truth, its own wire code.

Duty: be the other side of the wire for development and tests, faithful to the protocol and strict about it.
It must not import anything of the house (adapters, models, services, handlers, settings), and nothing may import it:
it is reached over HTTP only. Cryptography is pycryptodome's and XML is the standard library's expat, so that a
mistake in the adapters' libraries or in our use of them cannot be made twice in the same way.
"""

"""Typed settings. ``load()`` reads them; ``Merchant`` is who we are at WeChat, from files or from the simulator.

Everything wrong is collected and said at once, in words that say what to do. No secret is ever in those words.
"""

from settings.load import SettingsError, load
from settings.merchant import Merchant, V2Keys, V3Keys
from settings.schema import Settings

__all__ = ["Merchant", "Settings", "SettingsError", "V2Keys", "V3Keys", "load"]

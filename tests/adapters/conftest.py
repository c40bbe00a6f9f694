"""Properties are searched without a time limit for each example: a busy machine is no counterexample."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("adapters", deadline=None)
settings.load_profile("adapters")

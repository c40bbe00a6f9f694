"""Decisions: the only writers of state, the only owners of database transactions.

A service awaits providers (through ``adapters.base``) and hands plain functions to ``Database.run``. It knows no
HTTP and no provider's wire. ``bundle.Services`` holds one of each.
"""

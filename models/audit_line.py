"""Append-only: everything an operator did or tried to do. No code of ours updates or deletes a row."""

from peewee import BigIntegerField, CharField

from models.base import Table


class AuditLine(Table):
    at = BigIntegerField()
    operator = CharField(20)  # empty: somebody who was not signed in; "terminal": cli.py
    address = CharField(64)
    request_id = CharField(16)
    action = CharField(32)
    subject = CharField(64)  # order_no, id of the discrepancy, name of the operator
    words = CharField(200)  # the operator's reason or note, or what was asked for
    outcome = CharField(64)  # begun, done, or the code of the refusal
    hash = CharField(64, null=True)  # of the line before's hash and this line's fields; empty: older than the chain

    class Meta:
        table_name = "audit_log"


class AuditHead(Table):
    """One row, locked by whoever adds a line: the chain's lines have ids above ``begins``, and end at ``line_id``."""

    begins = BigIntegerField()
    line_id = BigIntegerField()
    hash = CharField(64)  # of that line

    class Meta:
        table_name = "audit_head"

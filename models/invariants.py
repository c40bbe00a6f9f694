"""What must hold about money, as queries (money.md part 2): each returns the rows that break it.

``LOCAL`` needs our tables alone; ``AGAINST_GATEWAY`` also the gateway's ledger, in tables named ``gateway_*``
(the tests fill them from the simulator). All run on SQLite and on MySQL / MariaDB. ``PARTS`` are the local ones as they
are asked of a range of ids at a time: over millions of rows, one statement would take minutes.
"""

from __future__ import annotations

import re

from models.states import TABLES

RANGE = re.compile(r":within\((\w+) ([\w.]+)\)")  # where a statement is cut: the table that has the ids, the column


def table_of(sql: str) -> str:
    """Whose ids the statement is cut by."""
    return str(RANGE.findall(sql)[0][0])


def within(sql: str, after: int, upto: int) -> tuple[str, list[int]]:
    """The statement about the ids after the first, up to the second, with its values. Its text is always the same: a
    driver keeps what it has prepared, a hundred texts of each connection's."""
    asked, times = RANGE.subn(r"\2 > ? AND \2 <= ?", sql)
    return asked, [after, upto] * times


PAID = "('PAID', 'PAID_LATE')"


def _rank(row: str, column: str) -> str:
    """The rank of a logged state; NULL for what has none. Not a join: SQLite would begin there, and walk the log."""
    tables = [
        f"WHEN '{table.entity}' THEN CASE {row}.{column} "
        + " ".join(f"WHEN '{state}' THEN {rank}" for state, rank in table.ranks.items())
        + " END"
        for table in TABLES.values()
    ]
    return f"CASE {row}.entity {' '.join(tables)} END"


STATEMENTS = {
    "1 an order is paid at most once": """
        SELECT order_id FROM payments WHERE :within(orders order_id)
        GROUP BY order_id HAVING SUM(CASE WHEN disposition = 'APPLIED' THEN 1 ELSE 0 END) > 1""",
    "2 a paid order has one applied payment of its amount, currency and merchant, no other has any": f"""
        SELECT o.order_no FROM orders o
        LEFT JOIN payments p ON p.order_id = o.id AND p.disposition = 'APPLIED'
        LEFT JOIN transactions t ON t.out_trade_no = p.out_trade_no
        WHERE :within(orders o.id) AND ((o.state IN {PAID} AND (p.id IS NULL OR t.id IS NULL OR t.order_id <> o.id
                 OR p.amount_fen <> o.amount_fen OR p.currency <> o.currency OR p.mchid <> t.mchid
                 OR p.appid <> t.appid OR o.paid_fen <> p.amount_fen OR o.paid_at IS NULL))
           OR (o.state NOT IN {PAID} AND (p.id IS NOT NULL OR o.paid_fen <> 0)))""",
    "3 money that was not applied, or came after closing, is a discrepancy": """
        SELECT p.provider_transaction_id FROM payments p
        LEFT JOIN orders o ON o.id = p.order_id
        LEFT JOIN discrepancies d ON d.ref = p.provider_transaction_id
        WHERE :within(payments p.id) AND (p.disposition <> 'APPLIED' OR o.state = 'PAID_LATE') AND d.id IS NULL""",
    "5 a paid order is fulfilled once, any other never": """
        SELECT o.order_no FROM orders o LEFT JOIN outbox x ON x.order_id = o.id AND x.kind = 'FULFIL'
        WHERE :within(orders o.id) GROUP BY o.id, o.order_no, o.state
        HAVING (o.state = 'PAID' AND COUNT(x.id) <> 1) OR (o.state <> 'PAID' AND COUNT(x.id) <> 0)""",
    "6 refunds never exceed what was paid, and the counters are the sums of their rows": """
        SELECT p.provider_transaction_id FROM payments p LEFT JOIN (
            SELECT payment_id,
                SUM(CASE WHEN source = 'LOCAL' AND state NOT IN ('CLOSED', 'REJECTED') THEN amount_fen ELSE 0 END) held,
                SUM(CASE WHEN source = 'LOCAL' AND state = 'SUCCESS' THEN amount_fen ELSE 0 END) done,
                SUM(CASE WHEN source = 'EXTERNAL' AND state <> 'CLOSED' THEN amount_fen ELSE 0 END) past_us
            FROM refunds WHERE :within(payments payment_id) GROUP BY payment_id) r ON r.payment_id = p.id
        WHERE :within(payments p.id) AND (p.held_fen <> COALESCE(r.held, 0) OR p.refunded_fen <> COALESCE(r.done, 0)
           OR p.external_fen <> COALESCE(r.past_us, 0) OR p.refunded_fen > p.held_fen
           OR (p.held_fen + p.external_fen > p.amount_fen AND NOT EXISTS (
                SELECT 1 FROM discrepancies d JOIN refunds x ON x.out_refund_no = d.ref
                WHERE d.kind = 'OVER_REFUND' AND x.payment_id = p.id)))""",
    "7 no state goes back, and the log is an unbroken chain": f"""
        SELECT l.id FROM state_log l
        LEFT JOIN state_log p ON p.entity = l.entity AND p.entity_id = l.entity_id AND p.seq = l.seq - 1
        WHERE :within(state_log l.id) AND {_rank("l", "to_state")} IS NOT NULL
           AND ((l.seq = 1 AND l.from_state IS NOT NULL)
           OR (l.seq > 1 AND (p.id IS NULL OR l.from_state IS NULL OR p.to_state <> l.from_state
               OR {_rank("l", "to_state")} <= {_rank("l", "from_state")})))""",
    "11 an order has at most one open attempt, and none once it is finished": """
        SELECT t.order_id FROM transactions t JOIN orders o ON o.id = t.order_id
        WHERE :within(orders t.order_id) AND t.open_slot IS NOT NULL GROUP BY t.order_id, o.state
        HAVING COUNT(*) > 1 OR o.state IN ('CLOSED', 'PAID', 'PAID_LATE')""",
    "17 a refund that needed a second person has one, and what two agreed on was made as they did": """
        SELECT q.refund_no FROM refund_requests q JOIN orders o ON o.order_no = q.order_no
        LEFT JOIN refunds r ON r.order_id = o.id AND r.refund_no = q.refund_no
        WHERE :within(refund_requests q.id) AND (
            (q.state <> 'APPROVED' AND r.id IS NOT NULL) OR (q.state = 'APPROVED' AND (
            r.id IS NULL OR r.amount_fen <> q.amount_fen OR q.decided_by IS NULL OR q.decided_by = q.requester)))""",
    "21 only what a paid order's own payment bought is shipped, one report at a time, whole at most twice": """
        SELECT s.order_id FROM shipments s
        JOIN orders o ON o.id = s.order_id JOIN payments p ON p.id = s.payment_id
        WHERE :within(orders s.order_id) GROUP BY s.order_id
        HAVING MIN(CASE WHEN o.state = 'PAID' AND p.order_id = o.id AND p.applied_slot = 1 THEN 1 ELSE 0 END) = 0
            OR SUM(CASE WHEN s.state IN ('REQUESTED', 'SENDING') THEN 1 ELSE 0 END) > 1
            OR SUM(CASE WHEN s.state = 'UPLOADED' AND s.all_delivered = 1 THEN 1 ELSE 0 END) > 2""",
}

LOGGED = (
    ("order", "orders", "order_no"),
    ("transaction", "transactions", "out_trade_no"),
    ("refund", "refunds", "out_refund_no"),
    ("shipment", "shipments", "shipment_no"),
)

PARTS = {name: [sql] for name, sql in STATEMENTS.items()} | {
    "8 the current state is the last one logged": [
        f"""
        SELECT x.{number} FROM {table} x
        LEFT JOIN state_log l ON l.entity = '{entity}' AND l.entity_id = x.{number} AND l.seq = x.version
        LEFT JOIN state_log n ON n.entity = '{entity}' AND n.entity_id = x.{number} AND n.seq = x.version + 1
        WHERE :within({table} x.id) AND (l.id IS NULL OR l.to_state <> x.state OR n.id IS NOT NULL)"""
        for entity, table, number in LOGGED
    ]
}

LOCAL = {name: RANGE.sub("1 = 1", " UNION ALL ".join(parts)) for name, parts in PARTS.items()}

AGAINST_GATEWAY = {
    "10 no payment here that the gateway does not know": """
        SELECT p.provider_transaction_id FROM payments p
        LEFT JOIN gateway_payments g ON g.transaction_id = p.provider_transaction_id
        WHERE g.transaction_id IS NULL""",
    "12 one out_trade_no has one set of parameters for ever": """
        SELECT p.out_trade_no FROM gateway_prepays p
        GROUP BY p.out_trade_no HAVING COUNT(DISTINCT p.fingerprint) > 1""",
    "13 closed here is unpayable there": """
        SELECT o.order_no FROM orders o JOIN transactions t ON t.order_id = o.id
        JOIN gateway_trades g ON g.out_trade_no = t.out_trade_no
        WHERE o.state = 'CLOSED' AND g.state <> 'CLOSED'""",
    "14 every refund here that WeChat accepted is one that WeChat knows, of the same amount": """
        SELECT r.out_refund_no FROM refunds r
        LEFT JOIN gateway_refunds g
            ON g.out_refund_no = r.out_refund_no AND g.amount_fen = CAST(r.amount_fen AS CHAR(20))
        WHERE r.state IN ('PROCESSING', 'ABNORMAL', 'SUCCESS') AND g.out_refund_no IS NULL""",
    "22 what was reported as shipped here is known there, whole if it is whole": """
        SELECT s.shipment_no FROM shipments s JOIN payments p ON p.id = s.payment_id
        LEFT JOIN gateway_shipments g ON g.out_trade_no = p.out_trade_no
        WHERE s.state = 'UPLOADED' AND (g.out_trade_no IS NULL OR (s.all_delivered = 1 AND g.finished = '0'))""",
}

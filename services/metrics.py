"""What is counted, for GET /metrics. Labels are from small fixed sets: never a number, an openid or a path as sent."""

from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

NOTIFICATIONS = Counter(
    "pay_notifications",
    "Notifications by adapter and outcome: accepted, forged, probe, malformed, unavailable",
    ["adapter", "outcome"],
)
DOWNGRADES = Counter(
    "pay_notifications_in_another_scheme",
    "Authentic notifications that were signed in another way than their payment: asked about, not believed",
    ["adapter"],
)
GATEWAY = Counter(
    "pay_gateway_failures",
    "Calls to WeChat without a good answer, by operation and kind: OutcomeUnknown (also an answer that did not verify),"
    " NotSent, Throttled, Rejected, ...",
    ["operation", "kind"],
)
BROKEN = Gauge(
    "pay_money_broken_rows",
    "Rows that break what must always hold about money, by the statement's number",
    ["statement"],
)
SHIPMENTS = Counter(
    "pay_shipments",
    "Shipping reports by outcome: uploaded, refused, again (no good answer yet), overdue (none in time)",
    ["outcome"],
)
PASSES = Gauge(
    "pay_job_last_good_pass_timestamp_seconds",
    "When a pass of the job last went well in this process; 0: never",
    ["job"],
)
REQUESTS = Histogram(
    "pay_http_request_seconds",
    "Requests by method, route and status",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


@cache
def counted(metric: Any, *labels: object) -> Any:
    """``metric.labels(*labels)``, which takes as long each time as to count."""
    return metric.labels(*labels)

"""What is counted, for GET /metrics. Labels are from small fixed sets: never a number, an openid or a path as sent."""

from prometheus_client import Counter, Histogram

NOTIFICATIONS = Counter(
    "pay_notifications",
    "Notifications by adapter and outcome: accepted, forged, probe, malformed, unavailable",
    ["adapter", "outcome"],
)
REQUESTS = Histogram(
    "pay_http_request_seconds",
    "Requests by method, route and status",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

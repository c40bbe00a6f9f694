"""What a page says once after an action succeeded: code -> words, to be translated."""

SAID = {
    "asked": "WeChat was asked. This is what is known now.",
    "closed": "The order is closed.",
    "closing": "The order is being closed; WeChat has not confirmed it yet.",
    "paid": "The order had been paid; it was not closed.",
    "refunded": "The refund is on its way.",
    "requested": "Above the limit: an approver must decide.",
    "to_card": "WeChat was asked to send the money to your bank card; pay the payer in another way.",
    "approved": "Approved; the refund is on its way.",
    "declined": "Declined; no money moves.",
    "resolved": "The discrepancy is closed.",
    "booked": "The discrepancy is closed; WeChat now says what fits, and the payment was booked.",
    "disabled": "Disabled, and signed out everywhere.",
    "enabled": "Enabled.",
    "promoted": "The role was changed.",
    "signed_out": "Signed out.",
    "everywhere": "Signed out everywhere.",
}

PLATFORM = "Look it up on the merchant platform, with the detail below."
MEANINGS = {  # what a discrepancy is and what to do, by its kind or the kind's first word; see docs/operations.md
    "MISMATCH": "An authentic payment that does not fit its order. Compare on the merchant platform, then resolve it.",
    "DUPLICATE": "A second payment of a paid order. There is nothing to do: it is refunded in full by itself.",
    "UNKNOWN_ORDER": "An authentic payment for a number that is not ours: of another system on this merchant number?",
    "PAID_LATE": "Paid after the order was closed; not fulfilled. It is refunded by itself unless LATE_PAYMENT=keep.",
    "OTHER_PAYER": "Paid by another openid than ordered, and booked. There is usually nothing to do.",
    "CONTRADICTION": "Two authentic messages that cannot both be true. Ask WeChat, then look on the merchant platform.",
    "UNSEEN_STATE": "WeChat reports a state that this version does not know. Update the program.",
    "EXTERNAL_REFUND": "A refund made on the merchant platform. It is counted here; note it.",
    "ABNORMAL_REFUND": "The payer's bank cannot take the money. The order's page can send it to your own bank card.",
    "SHIPMENT_DUE": "Paid, and not reported as shipped in time. Report it, and this is resolved by itself.",
    "SHIPMENT_STUCK": "WeChat gave no good answer to a shipment for a day. It is tried on, every hour.",
    "SHIPMENT_REFUSED": "WeChat does not take a shipment. Mend what the detail says, and report it again.",
    "BILL": "WeChat's bill and our records differ, and asking did not mend it. " + PLATFORM,
    "FUND": "What moved on the account is not what bill and records agree on. " + PLATFORM,
    "OVER": "Refunds exceed what was paid. " + PLATFORM,
    "REFUND": "A refund that does not fit its payment. " + PLATFORM,
    "UNKNOWN": "A refund of a payment that is not ours. " + PLATFORM,
}


def meaning(kind: str) -> str:
    """In words, to be translated."""
    return MEANINGS.get(kind) or MEANINGS.get(kind.partition("_")[0], "")

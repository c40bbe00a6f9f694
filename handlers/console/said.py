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

"""card_fraud."""

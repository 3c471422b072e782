"""Buying without leaks: intents, the walk over offers, readiness, and giving back."""

"""Malformed, truncated, oversized, wrong-typed, wrong-version and replayed messages to everything that listens."""

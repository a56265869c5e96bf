"""Tests that share one stack: it ends with them."""

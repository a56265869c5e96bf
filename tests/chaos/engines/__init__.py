"""Engines whose results show every fault of what is around them."""

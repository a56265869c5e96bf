"""Engines: what turns words into samples. One Protocol, adapters behind it."""

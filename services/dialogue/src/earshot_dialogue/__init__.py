"""Dialogue: sessions, skill routing, and exactly one outcome a turn."""

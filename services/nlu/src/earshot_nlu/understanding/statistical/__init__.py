"""Understands what no template accounts for: intent and slots learnt from the same sentences."""

"""Sentence templates in hassil's language: read, compiled, indexed and matched."""

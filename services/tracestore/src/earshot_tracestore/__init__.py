"""Embedded OTLP receiver with a SQLite store of traces."""

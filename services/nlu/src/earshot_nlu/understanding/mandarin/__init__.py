"""Mandarin as it is spoken in mainland China."""

from __future__ import annotations

from earshot_nlu.understanding.mandarin.language import Mandarin

__all__ = ["Mandarin"]

"""English as it is spoken in the United States."""

from __future__ import annotations

from earshot_nlu.understanding.english.language import English

__all__ = ["English"]

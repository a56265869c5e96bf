"""How numbers are said, by the Unicode consortium's rules for each language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_RULES: Final = ("spellout-cardinal", "spellout-cardinal-alternate2", "spellout-numbering")


@lru_cache(maxsize=8192)
def spell(number: float, language: str) -> Sequence[str]:
    """Return the ways to say a number, the common one first: 2 in "zh" is 二 and 两.

    Args:
        number: Any finite number.
        language: BCP-47; its region is ignored.

    Raises:
        ValueError: The language has no rules.
    """
    from hassil.numbers import get_rbnf_engine  # noqa: PLC0415 - loads rule tables

    said = get_rbnf_engine(language.split("-", maxsplit=1)[0]).format_number(number).text_by_ruleset
    return tuple(dict.fromkeys(said[name] for name in _RULES if name in said)) or tuple(said.values())[:1]

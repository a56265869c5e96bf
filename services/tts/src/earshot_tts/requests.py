"""What there is to speak, as the service's own values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NewType

from earshot_audio import Encoding, Format
from earshot_topology.subjects import DeviceAddress
from earshot_tts.errors import SpeechError

TurnId = NewType("TurnId", str)
OutcomeId = NewType("OutcomeId", str)

FILLER = OutcomeId("")
"""The outcome id of words that bridge a wait: they belong to none."""

LONGEST_TEXT = 5000
"""Characters of one text: about six minutes of speech."""

DEFAULT_FORMAT = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000, channel_count=1)
"""For devices that did not say how they want to be spoken to: what every loudspeaker's converter plays without a codec."""


def _owned() -> None:
    """Take it for ours."""


_CUT_WITHIN = 300
_STOPS = ".!?。！？\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words of one prompt.

    Attributes:
        text: As the skill wrote them.
        locale: BCP-47.
    """

    text: str
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """One segment of an outcome, or a filler, to be spoken to a device.

    Attributes:
        address: The device.
        turn_id: The turn.
        outcome_id: The outcome; FILLER for a filler.
        segment_index: Which segment.
        final: Whether no segment follows.
        owner_epoch: Which delivery of the segment this worker owns it by.
        texts: What to say; empty only where a final segment says nothing after others that did.
        audio_format: How the device wants it.
        check_owned: Raises where the segment is another worker's by now: called before each frame leaves.
    """

    address: DeviceAddress
    turn_id: TurnId
    outcome_id: OutcomeId
    segment_index: int
    final: bool
    owner_epoch: int
    texts: tuple[Text, ...]
    audio_format: Format
    check_owned: Callable[[], None] = field(default=_owned, compare=False, repr=False)


def speakable_texts(texts: Sequence[Text], locales: Sequence[str]) -> tuple[tuple[Text, ...], tuple[SpeechError, ...]]:
    """Return what of the texts can be spoken, and why the rest can't.

    A text that is too long is cut behind its last sentence that fits: the user hears the beginning.
    """
    accepted: list[Text] = []
    problems: list[SpeechError] = []
    for each in texts:
        if each.locale not in locales:
            problems.append(SpeechError(f"no voice speaks {each.locale[:35]!r}", code="unknown_locale"))
        elif len(each.text) > LONGEST_TEXT:
            problems.append(_too_long(each.text))
            accepted.append(Text(text=_cut(each.text), locale=each.locale))
        else:
            accepted.append(each)
    return tuple(accepted), tuple(problems)


def check_length(text: str) -> None:
    """Refuse text that is longer than LONGEST_TEXT.

    Raises:
        SpeechError: text_too_long.
    """
    if len(text) > LONGEST_TEXT:
        raise _too_long(text)


def _too_long(text: str) -> SpeechError:
    return SpeechError(f"{len(text)} characters; at most {LONGEST_TEXT} are spoken", code="text_too_long")


def _cut(text: str) -> str:
    end = max(text.rfind(stop, LONGEST_TEXT - _CUT_WITHIN, LONGEST_TEXT) for stop in _STOPS)
    return text[: end + 1] if end >= 0 else text[:LONGEST_TEXT]

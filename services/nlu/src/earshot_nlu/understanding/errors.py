"""What NLU refuses.

InvalidInputError                  earshot_chassis
├── EmptyTextError                 empty_text: nothing in it can be understood as words
├── TextTooLongError               text_too_long
├── UnknownLocaleError             unknown_locale: this build has no language for it
├── UnknownTimeZoneError           unknown_time_zone
├── InvalidReferenceTimeError      invalid_reference_time
└── MalformedSentencesError        malformed_sentences: a skill's templates can't be read
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError


class EmptyTextError(InvalidInputError):
    """There are no words: an empty text, punctuation or emoji only."""

    code = "empty_text"
    stage = "nlu"


class TextTooLongError(InvalidInputError):
    """Longer than anything that a person says to a device."""

    code = "text_too_long"
    stage = "nlu"


class UnknownLocaleError(InvalidInputError):
    """No language of this build serves the locale."""

    code = "unknown_locale"
    stage = "nlu"


class UnknownTimeZoneError(InvalidInputError):
    """Not an IANA time zone."""

    code = "unknown_time_zone"
    stage = "nlu"


class InvalidReferenceTimeError(InvalidInputError):
    """A moment outside the calendar that dates are read in."""

    code = "invalid_reference_time"
    stage = "nlu"


class MalformedSentencesError(InvalidInputError):
    """A skill's sentence templates can't be read; the skill is not understood in that locale."""

    code = "malformed_sentences"
    stage = "nlu"

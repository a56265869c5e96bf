"""What is said when something rings late, in both locales."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from earshot_scheduler.core.values import Kind, Schedule, State
from earshot_scheduler.words import Words

DUE = datetime(2027, 3, 1, 6, 30, tzinfo=UTC)
WORDS = Words.load(late_after=timedelta(seconds=60))


def schedule(**fields: object) -> Schedule:
    """Return what rings."""
    given = {"schedule_id": "s", "household": "h", "device": "d", "kind": Kind.ALARM, "time_zone": "Europe/Berlin"}
    return Schedule(state=State.RINGING, revision=2, **(given | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "late", "text"),
    [
        ({"locale": "en-US"}, 1, ""),
        ({"locale": "en-US"}, 120, "This was due at 7:30 a.m."),
        ({"locale": "en-US", "label": "work"}, 120, "work: this was due at 7:30 a.m."),
        ({"locale": "zh-CN"}, 120, "这本来应该在上午7:30响。"),
        ({"locale": "zh-CN", "label": "上班"}, 120, "上班：这本来应该在上午7:30响。"),
        ({"locale": "en-US", "time_zone": "America/New_York"}, 4 * 3600, "This was due at 1:30 a.m."),
        ({"locale": "en-US", "time_zone": "Pacific/Honolulu"}, 4 * 3600, "This was due at 8:30 p.m. yesterday."),
        ({"locale": "zh-CN", "time_zone": "Pacific/Honolulu"}, 4 * 3600, "这本来应该在昨天下午8:30响。"),
        ({"locale": "en-US", "time_zone": ""}, 90, "This was due a minute ago."),
        ({"locale": "en-US", "time_zone": "", "label": "eggs"}, 600, "eggs: this was due 10 minutes ago."),
        ({"locale": "en-US", "time_zone": ""}, 7200, "This was due 2 hours ago."),
        ({"locale": "zh-CN", "time_zone": ""}, 600, "这本来应该在10分钟前响。"),
        ({"locale": "en-US", "kind": Kind.REMINDER, "label": "bins."}, 0, "Reminder: bins."),
        ({"locale": "en-US", "kind": Kind.REMINDER, "label": "bins"}, 99, "Reminder: bins. This was due at 7:30 a.m."),
        ({"locale": "xx-XX"}, 120, "This was due at 7:30 a.m."),
        ({"locale": "en-US", "label": "{time} {0}"}, 120, "{time} {0}: this was due at 7:30 a.m."),
    ],
)
def test_what_is_late_says_when_it_was_due(fields: dict[str, object], late: float, text: str) -> None:
    """In the schedule's locale and time zone; without a zone, how long ago. A reminder always says its words."""
    said, locale = WORDS.announcement(schedule(**fields), DUE, DUE + timedelta(seconds=late))
    assert said == text
    assert locale == ("" if not text else "zh-CN" if fields["locale"] == "zh-CN" else "en-US")

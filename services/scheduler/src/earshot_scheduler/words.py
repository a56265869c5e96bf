"""What is said when something rings: one YAML file a locale, inside the package, the same keys in each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

import yaml

from earshot_scheduler.core.values import Kind, Schedule

FALLBACK_LOCALE = "en-US"
_HOUR = timedelta(hours=1)


class Words:
    """The words of every locale.

    Args:
        late_after: What is later says when it was due.
    """

    def __init__(self, prompts: Mapping[str, Mapping[str, Any]], *, late_after: timedelta) -> None:
        self._prompts = prompts
        self._late_after = late_after

    @classmethod
    def load(cls, *, late_after: timedelta) -> Words:
        """Read the files in the package; blocking, a few milliseconds.

        Raises:
            ValueError: A locale lacks a key that another one has.
        """
        files = resources.files("earshot_scheduler") / "prompts"
        read = [
            yaml.safe_load(file.read_text(encoding="utf-8")) for file in files.iterdir() if file.name.endswith(".yaml")
        ]
        keys = {key for prompts in read for key in prompts}
        for prompts in read:
            if missing := keys - set(prompts):
                raise ValueError(f"{prompts['locale']} lacks {', '.join(sorted(missing))}")
        return cls({prompts["locale"]: prompts for prompts in read}, late_after=late_after)

    def announcement(self, schedule: Schedule, due: datetime, now: datetime) -> tuple[str, str]:
        """Return what is to be said before a schedule rings, and its locale; no words for what just rings.

        Args:
            schedule: What rings.
            due: When it was due.
            now: The present moment.
        """
        prompts = self._prompts.get(schedule.locale) or self._prompts[FALLBACK_LOCALE]
        late = now - due > self._late_after
        reminder = schedule.kind is Kind.REMINDER
        if not late and not reminder:
            return "", ""
        key = "reminder" if reminder else "late"
        values = {"label": schedule.label}
        if late:
            key = "reminder_late" if reminder else "late"
            if schedule.time_zone:
                values["time"] = _time(prompts, due.astimezone(schedule.zone), now.astimezone(schedule.zone))
            else:
                key += "_ago"
                values["ago"] = _ago(prompts, now - due)
            if schedule.label and not reminder:
                key += "_labelled"
        text: str = prompts[key].format(**values)
        # "a.m." ends a sentence by itself.
        return text[:-1] if text.endswith("..") else text, prompts["locale"]


def _time(prompts: Mapping[str, Any], due: datetime, now: datetime) -> str:
    form = prompts["time"] if due.date() == now.date() else prompts["time_yesterday"]
    told: str = form.format(
        hour12=(due.hour - 1) % 12 + 1, minute=f"{due.minute:02}", half=prompts["halves"][due.hour // 12]
    )
    return told


def _ago(prompts: Mapping[str, Any], ago: timedelta) -> str:
    unit, count = ("hour", round(ago / _HOUR)) if ago >= _HOUR else ("minute", ago // timedelta(minutes=1))
    told: str = prompts[unit] if count <= 1 else prompts[f"{unit}s"].format(count=count)
    return told

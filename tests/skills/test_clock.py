"""The clock's answers, in both locales, at frozen moments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from earshot_skill_clock.places import Index, Place, Places, all_places, usual_places
from earshot_skill_clock.skill import Clock
from earshot_skill_clock.wording import spoken_date, spoken_time, spoken_weekday
from earshot_skillkit import Span, load_package
from earshot_skillkit.testing import NotUnderstoodError, SkillTester

# A Sunday: morning in New York, evening in East Asia, Monday in New Zealand.
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PACKAGE = load_package("earshot_skill_clock")


@pytest.fixture(scope="module")
def every() -> Mapping[str, Place]:
    """Make the index of all places, which takes a second."""
    return all_places()


@pytest.fixture
def places(every: Mapping[str, Place], monkeypatch: pytest.MonkeyPatch) -> Places:
    """Know all places without waiting for them."""
    monkeypatch.setattr("earshot_skill_clock.places.all_places", lambda: every)
    return Places()


@pytest.fixture
def clock(places: Places) -> SkillTester:
    """Hold a clock that stands still."""
    return SkillTester(PACKAGE, lambda host: Clock(host, places), now=NOW, time_zone="America/New_York")


ENGLISH = [
    ("what time is it", "It is 7:30 a.m."),
    ("What's the time?", "It is 7:30 a.m."),
    ("tell me the time please", "It is 7:30 a.m."),
    ("what time is it in Tokyo", "In Tokyo it is 9:30 p.m."),
    ("what time is it now in London", "In London it is 12:30 p.m."),
    ("what time is it in Los Angeles right now", "In Los Angeles it is 4:30 a.m."),
    ("current time in Mumbai", "In Mumbai it is 6 p.m."),
    ("what is the Berlin time", "In Berlin it is 1:30 p.m."),
    ("what time is it in New York City", "In New York it is 7:30 a.m."),
    ("what time is it in Auckland", "In Auckland it is Monday, 1:30 a.m."),
    ("what time is it in Ouagadougou", "In Ouagadougou it is 12:30 p.m."),
    ("what time is it in Kathmandu", "In Kathmandu it is 6:15 p.m."),
    ("what's the time in Japan right now", "In Japan it is 9:30 p.m."),
    ("what time is it in Narnia", "Sorry, I don't know where Narnia is."),
    ("what's the date", "It is Sunday, November 22, 2026."),
    ("what is today's date in Sydney", "In Sydney it is Sunday, November 22, 2026."),
    ("what's the date today in Auckland", "In Auckland it is Monday, November 23, 2026."),
    ("what's the date in Narnia", "Sorry, I don't know where Narnia is."),
    ("what day is it", "It is Sunday."),
    ("which day of the week is it in Auckland", "In Auckland it is Monday."),
]

MANDARIN = [
    ("现在几点了", "现在是早上七点半。"),
    ("几点了", "现在是早上七点半。"),
    ("请问现在是几点", "现在是早上七点半。"),
    ("东京现在几点", "东京现在是晚上九点半。"),
    ("现在东京几点了", "东京现在是晚上九点半。"),
    ("北京时间", "北京现在是晚上八点半。"),
    ("上海现在的时间是几点", "上海现在是晚上八点半。"),
    ("纽约几点了", "纽约现在是早上七点半。"),
    ("三藩市现在几点", "三藩市现在是凌晨四点半。"),
    ("孟买现在几点", "孟买现在是下午六点。"),
    ("奥克兰现在几点", "奥克兰现在是星期一凌晨一点半。"),
    ("瓦加杜古现在几点", "瓦加杜古现在是中午十二点半。"),
    ("日本现在几点", "日本现在是晚上九点半。"),
    ("中土世界现在几点", "抱歉，我不知道中土世界在哪里。"),
    ("今天几号", "今天是2026年11月22日星期日。"),
    ("今天是几月几号", "今天是2026年11月22日星期日。"),
    ("奥克兰今天几号", "奥克兰今天是2026年11月23日星期一。"),
    ("今天星期几", "今天是星期日。"),
    ("今天周几", "今天是星期日。"),
    ("悉尼今天礼拜几", "悉尼今天是星期日。"),
]


@pytest.mark.parametrize(("words", "answer"), ENGLISH)
async def test_english(clock: SkillTester, words: str, answer: str) -> None:
    """What is said in New York is answered in words that a person would use."""
    assert await clock.say(words) == answer


@pytest.mark.parametrize(("words", "answer"), MANDARIN)
async def test_mandarin(clock: SkillTester, words: str, answer: str) -> None:
    """The same in Mandarin, places repeated as they were said."""
    assert await clock.say(words, locale="zh-CN") == answer


@pytest.mark.parametrize(
    ("locale", "words", "ahead", "answer"),
    [
        ("en-US", "what's the date tomorrow", 1, "Tomorrow is Monday, November 23, 2026."),
        ("en-US", "what day is tomorrow", 1, "Tomorrow is a Monday."),
        ("en-US", "what date is next friday", 5, "Next friday is Friday, November 27, 2026."),
        ("zh-CN", "明天几号", 1, "明天是2026年11月23日星期一。"),
        ("zh-CN", "后天星期几", 2, "后天是星期二。"),
        ("zh-CN", "下周五几号", 5, "下周五是2026年11月27日星期五。"),
    ],
)
async def test_other_days(clock: SkillTester, locale: str, words: str, ahead: int, answer: str) -> None:
    """A day is named as it was said; its date is the one that NLU read."""
    start = datetime(2026, 11, 22, tzinfo=ZoneInfo("America/New_York")) + timedelta(days=ahead)
    day = Span(start=start, end=start + timedelta(days=1), grain="day")
    assert await clock.say(words, locale=locale, date=day) == answer


@pytest.mark.parametrize(
    ("hour", "minute", "english", "mandarin"),
    [
        (0, 0, "midnight", "午夜零点"),
        (0, 5, "12:05 a.m.", "凌晨零点零五分"),
        (2, 0, "2 a.m.", "凌晨两点"),
        (6, 10, "6:10 a.m.", "早上六点十分"),
        (9, 59, "9:59 a.m.", "上午九点五十九分"),
        (11, 30, "11:30 a.m.", "上午十一点半"),
        (12, 0, "noon", "中午十二点"),
        (12, 1, "12:01 p.m.", "中午十二点零一分"),
        (14, 20, "2:20 p.m.", "下午两点二十分"),
        (19, 0, "7 p.m.", "晚上七点"),
        (22, 15, "10:15 p.m.", "晚上十点十五分"),
        (23, 45, "11:45 p.m.", "晚上十一点四十五分"),
    ],
)
def test_times_of_day(hour: int, minute: int, english: str, mandarin: str) -> None:
    """Every kind of hour and minute in words."""
    moment = datetime(2026, 1, 1, hour, minute, tzinfo=UTC)
    assert spoken_time(moment, "en-US") == english
    assert spoken_time(moment, "zh-CN") == mandarin


def test_dates_and_weekdays() -> None:
    """A leap day in both locales."""
    moment = datetime(2028, 2, 29, tzinfo=UTC)
    assert spoken_date(moment, "en-US") == "Tuesday, February 29, 2028"
    assert spoken_date(moment, "zh-CN") == "2028年2月29日星期二"
    assert (spoken_weekday(moment, "en-US"), spoken_weekday(moment, "zh-CN")) == ("Tuesday", "星期二")


async def test_summer_time_is_the_places_own(clock: SkillTester) -> None:
    """In July, London is an hour further from UTC and Phoenix is not."""
    clock.now = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert await clock.say("what time is it in London") == "In London it is 1 p.m."
    assert await clock.say("what time is it in Phoenix") == "In Phoenix it is 5 a.m."


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Paris", "Europe/Paris"),
        ("são paulo", "America/Sao_Paulo"),
        ("Zürich", "Europe/Zurich"),
        ("St. Petersburg", "Europe/Moscow"),
        ("Saint-Denis", "Indian/Reunion"),
        ("Springfield", "America/Chicago"),
        ("东京", "Asia/Tokyo"),
        ("北京市", "Asia/Shanghai"),
        ("乌兰巴托", "Asia/Ulaanbaatar"),
        ("法国", "Europe/Paris"),
        ("Brazil", "America/Sao_Paulo"),
        ("Birmingham", "Europe/London"),
    ],
)
def test_names_find_places(places: Places, name: str, zone: str) -> None:
    """Accents, punctuation, Chinese names, countries; of several places the one with the most people."""
    place = places.find(name)
    assert place is not None
    assert place.zone == zone


@pytest.mark.parametrize("name", ["", "xyzzy", "😀", "?", "a" * 10_000])
def test_what_is_no_place_is_not_found(places: Places, name: str) -> None:
    """Nonsense of any kind is nowhere."""
    assert places.find(name) is None


def test_the_sentence_lists_and_the_city_file_name_the_same_cities() -> None:
    """Both locales list every city of the file, and nothing that is not in it."""
    usual = {place.name for place in usual_places().values()}
    assert len(usual) > 150
    for words in PACKAGE.words.values():
        listed = words.intents.slot_lists["city"]
        assert {value.value_out for value in listed.values} == usual  # type: ignore[attr-defined]


def test_the_city_file_agrees_with_geonames(every: Mapping[str, Place]) -> None:
    """The zone of every usual city is the one that the full index gives it."""
    usual = usual_places()
    assert {name: every[name].zone for name in usual} == {name: place.zone for name, place in usual.items()}


def test_the_index_gives_back_what_it_was_made_of(every: Mapping[str, Place]) -> None:
    """Every name finds its place; no part of a name, and no other column, finds one."""
    some = dict(list(every.items())[::400])
    index = Index(some)
    assert {name: index.get(name) for name in some} == some
    assert index.get("Europe/Paris") is None
    assert index.get("") is None


def test_every_zone_exists(every: Mapping[str, Place]) -> None:
    """No place has a time zone that this machine does not know."""
    for zone in {place.zone for place in every.values()}:
        assert ZoneInfo(zone)


def test_a_usual_city_needs_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cities of the lists are found without making the index of the others."""
    monkeypatch.setattr("earshot_skill_clock.places.all_places", lambda: pytest.fail("made"))
    assert Places().find("Tokyo") == Place(name="Tokyo", zone="Asia/Tokyo")


@pytest.mark.parametrize(("locale", "words"), [("en-US", "play some jazz"), ("zh-CN", "播放音乐")])
async def test_other_peoples_words_are_left_alone(clock: SkillTester, locale: str, words: str) -> None:
    """The clock does not understand what is not about time."""
    with pytest.raises(NotUnderstoodError):
        await clock.say(words, locale=locale)

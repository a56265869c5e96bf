from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
import yaml
from pydantic import SecretStr

from earshot_skill_music.library import Library, Track, TrackId
from earshot_skill_music.queue import LONGEST, Queue
from earshot_skill_music.settings import MusicSettings
from earshot_skill_music.skill import Music
from earshot_skill_music.words import sayable, teach
from earshot_skillkit import ChangeVolume, Pause, Play, Resume, SetVolume, Stop, load_package
from earshot_skillkit.request import DeviceState
from earshot_skillkit.testing import NotUnderstoodError, SkillTester, text_of

PACKAGE = load_package("earshot_skill_music")


def state(item_id="", *, playing=True) -> DeviceState:
    """Return a device with an item in its player."""
    return DeviceState(
        volume_percent=50,
        muted=False,
        media_item_id=item_id,
        media_playing=playing,
        media_offset=timedelta(0),
        ringing=(),
    )


class Household(SkillTester):
    """A tester that keeps the directives of the last answer."""

    directives: tuple = ()

    async def say(self, words, *, locale="en-US"):
        """Return what is said, and keep what is to be done."""
        intent, slots = self.understand(words, locale)
        steps = await self.call(intent, locale=locale, **slots)
        self.directives = steps[-1].directives
        return text_of(steps)

    @property
    def titles(self) -> list[str]:
        """What the device is told to play."""
        (play,) = self.directives
        assert isinstance(play, Play)
        return [item.title for item in play.items]


@pytest.fixture(scope="session")
def taught(library):
    """Return the package that knows the library."""
    return teach(PACKAGE, library)


@pytest.fixture
def music(library, taught):
    """Return the skill on the library; it is not started, so nothing is served."""
    return Household(taught, lambda host: Music(host, library, MusicSettings()))


PLAYING = [
    ("en-US", "play some jazz", "Here is some jazz.", {"Thunder Phone", "Quiet Knights", "Blue Corner"}),
    ("en-US", "put on classical music please", "Here is some classical music.", {"Morning Prelude"}),
    ("en-US", "i want to hear some lullabies", "Here is some lullaby music.", {"Sleepy Harbor"}),
    ("en-US", "play clara stone", "Here is Clara Stone.", {"Morning Prelude"}),
    ("en-US", "play something by stone river", "Here is Stone River.", {"Open Road"}),
    ("en-US", "play blue corner", "Blue Corner by The Night Shift.", {"Blue Corner"}),
    ("en-US", "play the song open road by stone river", "Open Road by Stone River.", {"Open Road"}),
    ("en-US", "play the album nights", "Here is the album Nights.", {"Thunder Phone", "Quiet Knights"}),
    ("en-US", "play thunder fone", "Thunder Phone by Café Noir.", {"Thunder Phone"}),
    ("en-US", "play 月光小船", "Here is some music.", {"月光小船"}),
    ("zh-CN", "播放爵士乐", "好的，来点爵士乐。", {"Thunder Phone", "Quiet Knights", "Blue Corner"}),
    ("zh-CN", "来一点摇滚", "好的，来点摇滚。", {"Open Road"}),
    ("zh-CN", "我想听摇篮曲", "好的，来点摇篮曲。", {"Sleepy Harbor"}),
    ("zh-CN", "放一首钢琴曲", "好的，来点古典音乐。", {"Morning Prelude"}),
    ("zh-CN", "播放月光小船", "好的，播放月光小船。", {"月光小船"}),
    ("zh-CN", "播放江南小馆的歌", "好的，播放江南小馆的歌。", {"月光小船"}),
    ("zh-CN", "播放李小龙的静夜思", "好的，播放静夜思。", {"静夜思"}),
    ("zh-CN", "播放月光小传", "好的，播放月光小船。", {"月光小船"}),
]


@pytest.mark.parametrize(("locale", "words", "answer", "titles"), PLAYING)
async def test_music_is_played(music, locale, words, answer, titles):
    """Genre, artist, title and album, said in either language and with slips, play what they name."""
    assert await music.say(words, locale=locale) == answer
    assert set(music.titles) == titles


@pytest.mark.parametrize(("locale", "words"), [("en-US", "play some music"), ("zh-CN", "放点音乐")])
async def test_any_music_is_all_of_it(music, library, locale, words):
    """Without a name everything is played, in another order for another call."""
    orders = []
    for _ in range(3):
        assert await music.say(words, locale=locale) in {"Here is some music.", "好的，来点音乐。"}
        orders.append(music.titles)
    assert all(sorted(order) == sorted(track.title for track in library.tracks) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize(
    ("locale", "words", "answer"),
    [
        ("en-US", "play whale sounds from mars", "Sorry, I don't have whale sounds from mars."),
        ("zh-CN", "播放火星的歌剧选段", "对不起，没有找到火星的歌剧选段。"),
        ("zh-CN", "播放bohemian rhapsody", "对不起，没有找到。"),
    ],
)
async def test_what_is_not_there_is_told(music, locale, words, answer):
    """Music that the library has not got is named, and nothing is played."""
    assert await music.say(words, locale=locale) == answer
    assert music.directives == ()


DOING = [
    ("en-US", "pause the music", Pause()),
    ("en-US", "resume", Resume()),
    ("en-US", "keep playing", Resume()),
    ("en-US", "stop the music", Stop()),
    ("en-US", "stop playing", Stop()),
    ("en-US", "set the volume to 7", SetVolume(percent=70)),
    ("en-US", "volume 3", SetVolume(percent=30)),
    ("en-US", "set the volume to 35 percent", SetVolume(percent=35)),
    ("en-US", "volume 5 percent", SetVolume(percent=5)),
    ("en-US", "set volume to 80", SetVolume(percent=80)),
    ("en-US", "full volume", SetVolume(percent=100)),
    ("en-US", "mute", SetVolume(percent=0)),
    ("en-US", "turn it up", ChangeVolume(delta_percent=10)),
    ("en-US", "louder", ChangeVolume(delta_percent=10)),
    ("en-US", "turn the music down", ChangeVolume(delta_percent=-10)),
    ("en-US", "too loud", ChangeVolume(delta_percent=-10)),
    ("zh-CN", "暂停", Pause()),
    ("zh-CN", "继续播放", Resume()),
    ("zh-CN", "关掉音乐", Stop()),
    ("zh-CN", "音量调到5", SetVolume(percent=50)),
    ("zh-CN", "把音量调到百分之30", SetVolume(percent=30)),
    ("zh-CN", "音量调到最大", SetVolume(percent=100)),
    ("zh-CN", "静音", SetVolume(percent=0)),
    ("zh-CN", "声音大一点", ChangeVolume(delta_percent=10)),
    ("zh-CN", "小声一点", ChangeVolume(delta_percent=-10)),
]


@pytest.mark.parametrize(("locale", "words", "directive"), DOING)
async def test_the_device_is_told_what_to_do(music, locale, words, directive):
    """Commands without an answer in words are one directive."""
    assert await music.say(words, locale=locale) == ""
    assert music.directives == (directive,)


@pytest.mark.parametrize(
    ("locale", "forward", "back", "ended", "nothing"),
    [
        ("en-US", "next song", "previous song", "That was the last one.", "Nothing is playing."),
        ("zh-CN", "下一首", "上一首", "已经是最后一首了。", "现在没有播放。"),
    ],
)
async def test_the_queue_is_walked_through(music, locale, forward, back, ended, nothing):
    """Next and previous play from the neighbour on; behind the last one playing ends, before the first it starts over."""
    assert await music.say(forward, locale=locale) == nothing
    await music.say("play some jazz")
    queue = music.titles
    await music.say(forward, locale=locale)
    assert music.titles == queue[1:]
    await music.say(forward, locale=locale)
    assert music.titles == queue[2:]
    assert await music.say(forward, locale=locale) == ended
    assert music.directives == (Stop(),)
    await music.say(back, locale=locale)
    assert music.titles == queue[1:]
    for _ in range(2):
        await music.say(back, locale=locale)
        assert music.titles == queue
    await music.say("stop the music")
    assert await music.say(back, locale=locale) == nothing


async def test_the_device_knows_best_where_it_is(music):
    """Next counts from the item that the device says it plays; one of another queue is not believed."""
    await music.say("play some jazz")
    (play,) = music.directives
    music.device = state(play.items[1].item_id)
    await music.say("skip this song")
    assert music.titles == [play.items[2].title]
    await music.say("play some jazz")
    (again,) = music.directives
    music.device = state(play.items[2].item_id)
    await music.say("next")
    assert music.titles == [item.title for item in again.items[1:]]


async def test_a_repeated_call_has_one_effect(music):
    """The same call twice plays the same order and skips one track, not two."""
    play = await music.call("play", genre="jazz")
    music._turns -= 1
    same = await music.call("play", genre="jazz")
    ids = [[item.item_id for item in steps[-1].directives[0].items] for steps in (play, same)]
    assert ids[0] == ids[1]
    first = await music.call("next")
    music._turns -= 1
    repeated = await music.call("next")
    assert [[item.item_id for item in steps[-1].directives[0].items] for steps in (first, repeated)] == [ids[0][1:]] * 2


async def test_what_plays_is_told(music):
    """By the device's own word: playing, paused, or nothing; in either language."""
    assert await music.say("what's playing") == "Nothing is playing."
    await music.say("play open road")
    (play,) = music.directives
    assert await music.say("what song is this") == "Nothing is playing."
    music.device = state(play.items[0].item_id)
    assert await music.say("what song is this") == "This is Open Road by Stone River."
    assert await music.say("这是什么歌", locale="zh-CN") == "现在播放的是Open Road，Stone River。"
    music.device = state(play.items[0].item_id, playing=False)
    assert await music.say("what's playing") == "Open Road by Stone River is paused."
    music.device = state("")
    assert await music.say("what's playing") == "Nothing is playing."
    assert await music.say("resume") == "Nothing is playing."


async def test_each_device_has_a_queue_of_its_own(music):
    """What one device plays is not what another one skips."""
    await music.say("play some jazz")
    kept = await music.states.get("household", "queue", device_id="device")
    assert len(kept["tracks"]) == 3
    assert await music.states.get("household", "queue", device_id="another") is None


async def test_the_address_of_an_item_brings_the_file(music, library):
    """What the device is told to play can be fetched where it is told, and is the track."""
    async with music, httpx.AsyncClient(trust_env=False) as client:
        await music.say("play open road")
        (item,) = music.directives[0].items
        response = await client.get(item.url, headers={"Range": "bytes=0-3"})
    assert item.media_type == "audio/flac"
    assert item.duration.total_seconds() == pytest.approx(28.4, abs=0.1)
    assert (response.status_code, response.content) == (206, b"fLaC")
    path = next(track.path for track in library.tracks if track.title == "Open Road")
    assert str(path) not in item.url
    assert "open" not in item.url.lower()


async def test_replicas_behind_one_address_share_it(library, taught):
    """A public address and a shared secret make each replica's links good for the other."""
    settings = MusicSettings(public_url="https://music.example/", secret=SecretStr("0123456789abcdef"))
    urls = []
    for _ in range(2):
        one = Household(taught, lambda host: Music(host, library, settings))
        await one.say("play open road")
        urls.append(one.directives[0].items[0].url)
    assert all(url.startswith("https://music.example/media/") for url in urls)
    assert urls[0].rsplit("/", 1)[1] == urls[1].rsplit("/", 1)[1]


async def test_the_kinds_of_music_are_told(music):
    """The genres of the library, by their names in the locale."""
    told = await music.say("what music do you have")
    assert told == (
        "You can hear blues, classical music, electronic music, folk music, jazz, lullaby music, pop and rock."
    )
    assert "爵士" in await music.say("有什么音乐", locale="zh-CN")


async def test_an_empty_library_says_so():
    """Without music there is an answer, in both languages, and no list is empty."""
    library = Library(())
    music = Household(teach(PACKAGE, library), lambda host: Music(host, library, MusicSettings()))
    assert await music.say("play some music") == "There is no music here yet."
    assert await music.say("播放音乐", locale="zh-CN") == "这里还没有音乐。"
    assert await music.say("what can you play") == "There is no music here yet."


def test_the_library_is_taught(taught):
    """Names come as lists, each in the locale that it is written in; genres by what people call them."""
    english, mandarin = (yaml.safe_load(taught.words[locale].sentences_yaml)["lists"] for locale in ("en-US", "zh-CN"))

    def said(lists, name):
        return {value["in"] for value in lists[name]["values"]}

    assert {"Thunder Phone", "Blue Corner", "no tags here"} <= said(english, "title")
    assert said(mandarin, "title") == {"静夜思", "月光小船"}
    assert "Café Noir" in said(english, "artist")
    assert said(mandarin, "artist") == {"李小龙", "江南小馆"}
    assert {"jazz", "rock and roll", "pop"} <= said(english, "genre")
    assert {"爵士", "爵士乐", "流行"} <= said(mandarin, "genre")
    assert "metal" not in said(english, "genre")
    assert english["level"] == {"range": {"from": 0, "to": 10}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Hello (Live) [Remix]", "Hello Live Remix"),
        ("Rock & Roll <3", "Rock and Roll 3"),
        ("{slot}|other", "slot other"),
        ('"Heroes"', "Heroes"),
        ("ＦＵＬＬ", "FULL"),
        ("!!!", ""),
        ("AC/DC", "AC DC"),
        ("Don’t Stop 💿", "Don't Stop"),
    ],
)
def test_names_can_stand_in_a_template(name, expected):
    """What hassil would read as syntax is left out of a name."""
    assert sayable(name) == expected


def test_any_name_can_be_taught(tmp_path):
    """Hostile names neither break the templates nor add slots; a large library is cut."""
    names = ["{evil:title}", "<rule>", "[a|b](c)", "(((", "\\", "a:b", "", "  ", "💿", "x" * 300, "播放{x}"]
    names += [f"Opus {n}" for n in range(3000)]
    library = Library(
        Track(track_id=TrackId(str(n)), path=tmp_path, media_type="audio/flac", title=name)
        for n, name in enumerate(names)
    )
    package = teach(PACKAGE, library)
    values = yaml.safe_load(package.words["en-US"].sentences_yaml)["lists"]["title"]["values"]
    assert len(values) == 2000
    tester = Household(package, lambda host: Music(host, library, MusicSettings()))
    assert tester.understand("play opus 1", "en-US")[1]["title"].value == "Opus 1"
    with pytest.raises(NotUnderstoodError):
        tester.understand("complete nonsense here", "en-US")


def test_a_queue_is_read_and_written():
    """A queue survives its JSON; what is none is none; a long one is cut; ids of other queues are not its own."""
    queue = Queue.begin(tuple(TrackId(str(n)) for n in range(500)), call="t.0")
    assert len(queue.tracks) == LONGEST
    assert Queue.from_json(queue.to_json()) == queue
    assert Queue.from_json(None) is Queue.from_json({}) is Queue.from_json("x") is None
    assert queue.index_of(queue.item_id(7)) == 7
    assert queue.index_of("other.7") is queue.index_of(f"{queue.queue_id}.999") is queue.index_of("") is None
    assert queue.moved(LONGEST, item_id="", call="t.1") is None
    assert queue.moved(-5, item_id="", call="t.1").position == 0

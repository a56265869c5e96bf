"""What people say of music, understood by NLU beside every other skill, with the library's names taught."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.model import SlotKind
from earshot_skill_music.words import teach
from earshot_skillkit import load_package
from support.understanding import assistant_words, best, meaning, real_skill, skill_words, taught

SAID = [
    ("en-US", "play some jazz", "music.play", {"genre": "jazz"}),
    ("en-US", "put on some rock and roll", "music.play", {"genre": "rock"}),
    ("en-US", "play music", "music.play", {}),
    ("en-US", "play blue corner", "music.play", {"title": "Blue Corner"}),
    ("en-US", "play open road by stone river", "music.play", {"title": "Open Road", "artist": "Stone River"}),
    ("en-US", "play something by clara stone", "music.play", {"artist": "Clara Stone"}),
    ("en-US", "play bohemian rhapsody", "music.play", {"query": "bohemian rhapsody"}),
    ("en-US", "next song", "music.next", {}),
    ("en-US", "skip this one", "music.next", {}),
    ("en-US", "previous track", "music.previous", {}),
    ("en-US", "go back a song", "music.previous", {}),
    ("en-US", "pause", "music.pause", {}),
    ("en-US", "keep playing", "music.resume", {}),
    ("en-US", "stop the music", "music.stop", {}),
    ("en-US", "stop", "assistant.stop", {}),
    ("en-US", "what song is this", "music.now_playing", {}),
    ("en-US", "volume three", "music.set_volume", {"level": 3.0}),
    ("en-US", "set the volume to twenty five percent", "music.set_volume", {"percent": 25.0}),
    ("en-US", "set the volume to sixty", "music.set_volume", {"percent": 60.0}),
    ("en-US", "turn up the volume", "music.volume_up", {}),
    ("en-US", "too loud", "music.volume_down", {}),
    ("en-US", "what music do you have", "music.list_music", {}),
    ("en-US", "what can you do", "assistant.help", {}),
    ("zh-CN", "播放爵士乐", "music.play", {"genre": "jazz"}),
    ("zh-CN", "来点音乐", "music.play", {}),
    ("zh-CN", "我想听摇滚", "music.play", {"genre": "rock"}),
    ("zh-CN", "播放月光小船", "music.play", {"title": "月光小船"}),
    ("zh-CN", "放江南小馆的歌", "music.play", {"artist": "江南小馆"}),
    ("zh-CN", "播放甜蜜蜜", "music.play", {"query": "甜蜜蜜"}),
    ("zh-CN", "下一首", "music.next", {}),
    ("zh-CN", "换一首歌", "music.next", {}),
    ("zh-CN", "上一首", "music.previous", {}),
    ("zh-CN", "暂停", "music.pause", {}),
    ("zh-CN", "继续播放", "music.resume", {}),
    ("zh-CN", "关掉音乐", "music.stop", {}),
    ("zh-CN", "这首歌叫什么", "music.now_playing", {}),
    ("zh-CN", "音量调到五", "music.set_volume", {"level": 5.0}),
    ("zh-CN", "音量调到百分之三十", "music.set_volume", {"percent": 30.0}),
    ("zh-CN", "音量调到六十", "music.set_volume", {"percent": 60.0}),
    ("zh-CN", "声音大一点", "music.volume_up", {}),
    ("zh-CN", "太吵了", "music.volume_down", {}),
    ("zh-CN", "你有什么音乐", "music.list_music", {}),
]


@pytest.fixture(scope="module")
def interpreter(library):
    """Return NLU with every skill, music knowing the library."""
    package = teach(load_package("earshot_skill_music"), library)
    kinds = {
        name: {slot: SlotKind(about.type.value) for slot, about in intent.slots.items()}
        for name, intent in package.manifest.intents.items()
    }
    music = [skill_words("music", locale, each.sentences_yaml, kinds) for locale, each in package.words.items()]
    return taught([*music, *real_skill("clock"), *real_skill("weather"), *assistant_words()])


@pytest.mark.parametrize(("locale", "said", "intent", "slots"), SAID)
def test_music_is_understood(interpreter, locale, said, intent, slots):
    """A sentence means its intent and slots, also with every other skill's sentences about."""
    assert meaning(best(interpreter, said, locale=locale)) == (intent, slots)

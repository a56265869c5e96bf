from __future__ import annotations

import time

import numpy as np
import pytest
import soundfile

from earshot_skill_music.genres import genres_of, name_of
from earshot_skill_music.library import Library, Track, TrackId
from earshot_skill_music.opening import open_library
from earshot_skill_music.samples import write_samples
from earshot_skill_music.scanning import scan
from earshot_skill_music.search import Kind, by_anything, by_artist, by_genre, by_title, everything, similarity
from earshot_skill_music.settings import MusicSettings
from earshot_skill_music.sounding import sound_of
from earshot_skill_music.tunes import TUNES
from support.tracks import write_track


@pytest.mark.parametrize("tune", TUNES, ids=lambda tune: tune.file)
def test_sample_tunes_are_music(tune):
    """Each tune lasts 20 to 40 seconds, is heard throughout, is not clipped, and is the same at each rendering."""
    began = time.process_time()
    samples = tune.render()
    assert time.process_time() - began < 2
    assert 20 <= len(samples) / 24_000 <= 40
    assert np.array_equal(samples, tune.render())
    assert np.abs(samples).max() == pytest.approx(0.6 * 32767, rel=0.01)
    seconds = samples[: len(samples) // 24_000 * 24_000].reshape(-1, 24_000).astype(float)
    assert (seconds.std(axis=1)[:-2] > 100).all()


def test_sample_tunes_are_written_once(samples):
    """Files have their tags and are readable; a second start writes nothing, and leaves no half file behind."""
    before = {path.name: path.stat().st_mtime_ns for path in samples.iterdir()}
    assert write_samples(samples) == 0
    assert {path.name: path.stat().st_mtime_ns for path in samples.iterdir()} == before
    assert set(before) == {tune.file for tune in TUNES}
    tracks = {track.title: track for track in scan((samples,)).tracks}
    assert set(tracks) == {tune.title for tune in TUNES}
    for tune in TUNES:
        track = tracks[tune.title]
        assert (track.artist, track.album, track.genre) == (tune.artist, tune.album, tune.genre)
        assert track.duration_s == pytest.approx(soundfile.info(track.path).duration)


def test_a_scan_finds_music_by_its_tags(library):
    """Tags name a track; one without is named after its file; ids are stable and differ."""
    titles = {track.title: track for track in library.tracks}
    assert titles["Thunder Phone"].artist == "Café Noir"
    assert titles["no tags here"].artist == ""
    assert titles["Blue Corner"].media_type == "audio/flac"
    assert len({track.track_id for track in library.tracks}) == len(library) == 10
    assert library.names("artist")[:2] == ("Café Noir", "Clara Stone")
    assert library.get(titles["Thunder Phone"].track_id) is titles["Thunder Phone"]
    assert library.get("nothing") is None


def test_a_scan_leaves_out_what_is_not_music(tmp_path):
    """Text, broken files, hidden files and links out of the folder are skipped; a nested folder is not."""
    inside, outside = tmp_path / "music", tmp_path / "outside"
    write_track(inside / "x" / "y" / "good.flac", title="Good")
    write_track(outside / "secret.flac", title="Secret")
    write_track(inside / ".hidden.flac", title="Hidden")
    (inside / "words.txt").write_text("words")
    (inside / "broken.flac").write_bytes(b"fLaC but not really")
    (inside / "empty.mp3").write_bytes(b"")
    (inside / "link.flac").symlink_to(outside / "secret.flac")
    (inside / "loop").symlink_to(inside)
    assert [track.title for track in scan((inside,)).tracks] == ["Good"]


def test_other_formats_are_read(tmp_path):
    """Ogg and WAV belong to the library, with their own media types."""
    tone = np.zeros(8000, np.int16)
    for name, subtype in (("a.ogg", "VORBIS"), ("b.wav", "PCM_16")):
        soundfile.write(tmp_path / name, tone, 8000, subtype=subtype)
    tracks = scan((tmp_path,)).tracks
    assert [(track.media_type, round(track.duration_s, 2)) for track in tracks] == [
        ("audio/ogg", 1.0),
        ("audio/wav", 1.0),
    ]


def test_a_track_keeps_its_id(tmp_path):
    """The id depends on the place in the library alone, so that queues outlive a restart and other replicas."""
    write_track(tmp_path / "one" / "a" / "x.flac")
    write_track(tmp_path / "two" / "a" / "x.flac", title="Renamed")
    first, second = scan((tmp_path / "one",)).tracks[0], scan((tmp_path / "two",)).tracks[0]
    assert first.track_id == second.track_id


def test_the_settings_open_the_library(tmp_path):
    """The household's folder comes first, then the samples; a folder that is not there is one sentence."""
    write_track(tmp_path / "own" / "x.flac", title="Own")
    library = open_library(MusicSettings(folder=tmp_path / "own", data_folder=tmp_path / "data"))
    assert library.tracks[0].title == "Own"
    assert len(library) == 1 + len(TUNES)
    assert len(open_library(MusicSettings(folder=tmp_path / "own", samples=False))) == 1
    with pytest.raises(SystemExit, match="EARSHOT_MUSIC_FOLDER"):
        open_library(MusicSettings(folder=tmp_path / "nowhere", samples=False))


def test_a_data_folder_that_can_not_be_written_is_one_sentence(tmp_path):
    """The error names the setting."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit, match="EARSHOT_MUSIC_DATA_FOLDER"):
        open_library(MusicSettings(data_folder=tmp_path / "file"))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Jazz", {"jazz"}),
        ("jazz; Blues", {"jazz", "blues"}),
        ("Smooth Jazz", {"jazz"}),
        ("流行", {"pop"}),
        ("爵士乐/民谣", {"jazz", "folk"}),
        ("Zydeco", {"zydeco"}),
        ("", set()),
        (" ; ", set()),
    ],
)
def test_genre_tags_are_understood(tag, expected):
    """Tags in either language, compound ones and unknown ones become genres."""
    assert genres_of(tag) == expected


def test_genres_have_names():
    """A genre is called by its usual name in the locale; an unknown one by itself."""
    assert name_of("jazz", "zh-CN") == "爵士乐"
    assert name_of("lullaby", "en-US") == "lullaby music"
    assert name_of("zydeco", "en-US") == "zydeco"


SEARCHES = [
    # what was said, what is found
    ("thunder phone", Kind.TITLE, "Thunder Phone"),
    ("thunder fone", Kind.TITLE, "Thunder Phone"),
    ("tunder phone", Kind.TITLE, "Thunder Phone"),
    ("quiet nights", Kind.TITLE, "Quiet Knights"),
    ("cafe noir", Kind.ARTIST, "Café Noir"),
    ("kafe nwar", Kind.ARTIST, "Café Noir"),
    ("the cafe noir", Kind.ARTIST, "Café Noir"),
    ("sleepy harbour", Kind.TITLE, "Sleepy Harbor"),
    ("clara stones", Kind.ARTIST, "Clara Stone"),
    ("nights", Kind.ALBUM, "Nights"),
    ("jazz", Kind.GENRE, "jazz"),
    ("爵士乐", Kind.GENRE, "jazz"),
    ("月光小船", Kind.TITLE, "月光小船"),
    ("月光小传", Kind.TITLE, "月光小船"),
    ("静夜诗", Kind.TITLE, "静夜思"),
    ("李晓龙", Kind.ARTIST, "李小龙"),
    ("something completely different", None, ""),
    ("no", None, ""),
    ("", None, ""),
    ("🎵", None, ""),
]


@pytest.mark.parametrize(("said", "kind", "name"), SEARCHES)
def test_music_is_found_by_nearly_its_name(library, said, kind, name):
    """Slips of one word in spelling or sound find the name; another name is not taken for it."""
    found = by_anything(library, said)
    assert (found.kind, found.name) == (kind, name) if kind else found is None


def test_titles_are_found_within_an_artist(library):
    """A title by another artist is not found; all versions of a title are."""
    assert by_title(library, "thunder phone", "cafe noir").name == "Thunder Phone"
    assert by_title(library, "thunder phone", "clara stone") is None
    assert by_title(library, "thunder phone", "nobody at all") is None
    assert [track.title for track in by_artist(library, "café noir").tracks] == ["Thunder Phone", "Quiet Knights"]


def test_genres_have_to_be_named_right(library):
    """A genre that the library has not got is not another one."""
    assert {track.title for track in by_genre(library, "jazz").tracks} == {
        "Thunder Phone",
        "Quiet Knights",
        "Blue Corner",
    }
    assert {track.title for track in by_genre(library, "the blues").tracks} == {"Thunder Phone"}
    assert by_genre(library, "jass") is None
    assert by_genre(library, "metal") is None


def test_an_empty_library_has_nothing():
    """Searching nothing finds nothing."""
    empty = Library(())
    assert everything(empty) is by_anything(empty, "jazz") is by_artist(empty, "x") is by_title(empty, "x") is None


def test_names_that_sound_alike_have_equal_sounds():
    """Spelling variants and pairs that Mandarin speakers confuse sound alike; different names do not."""
    for one, other in (
        ("phone", "fone"),
        ("knight", "night"),
        ("Catherine", "Katherine"),
        ("上海", "桑海"),
        ("南", "兰"),
    ):
        assert sound_of(one) == sound_of(other)
    assert sound_of("jazz") != sound_of("rock")
    assert similarity("abc", "") == 0.0


def test_search_is_quick_in_a_large_library(tmp_path):
    """Five thousand tracks are searched in a fraction of a turn."""
    tracks = [
        Track(
            track_id=TrackId(str(n)), path=tmp_path, media_type="audio/flac", title=f"Title number {n}", artist=f"A {n}"
        )
        for n in range(5000)
    ]
    library = Library(tracks)
    by_anything(library, "warm up")
    began = time.thread_time()
    assert by_anything(library, "title number 4321").name == "Title number 4321"
    assert time.thread_time() - began < 0.5

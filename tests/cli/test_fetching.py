"""earshot models add without --from, from an HTTP server of the test's own."""

import contextlib
import hashlib
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from earshot_cli import app as application
from earshot_cli.commands import models as command
from earshot_models import CMU_MANDARIN, KNOWN, ModelFile

CONTENT = bytes(range(256)) * 400
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
TINY = replace(
    CMU_MANDARIN,
    id="tiny",
    page="https://example.org/tiny",
    size_bytes=len(CONTENT),
    files=(
        ModelFile(name="means", path="deep/means", size_bytes=len(CONTENT), sha256=CHECKSUM),
        ModelFile(name="COPYING", path="COPYING", required=False),
    ),
)


class Publisher:
    """What a publisher's server has, and how it behaves.

    Attributes:
        content: By path.
        breaks_after: Bytes of the first answer after which the connection is closed; None: it is not.
        ranges: The Range headers of requests for the large file.
    """

    def __init__(self):
        self.content = {"/model/deep/means": CONTENT, "/model/COPYING": b"free"}
        self.breaks_after = None
        self.ranges = []

    @contextlib.contextmanager
    def serving(self):
        """Serve; yield the URL of the model."""
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                publisher.answer(self)

            def log_message(self, *_arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/model"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, handler):
        """Answer one request."""
        content = self.content.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        wanted = handler.headers.get("Range")
        if handler.path.endswith("means"):
            self.ranges.append(wanted)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        handler.send_response(206 if wanted else 200)
        handler.send_header("Content-Length", str(len(content) - begin))
        handler.end_headers()
        end = len(content)
        if self.breaks_after is not None:
            end, self.breaks_after = begin + self.breaks_after, None
        handler.wfile.write(content[begin:end])


@pytest.fixture
def publisher(monkeypatch, tmp_path):
    """A publisher that has the model."""
    made = Publisher()
    with made.serving() as url:
        monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path))
        monkeypatch.setattr(command, "find", lambda _id: replace(TINY, source=url))
        yield made


def fails(monkeypatch, capsys):
    """Run `earshot models add tiny`, which must fail with exit code 1; return its last line on stderr."""
    monkeypatch.setattr("sys.argv", ["earshot", "models", "add", "tiny"])
    with pytest.raises(SystemExit) as ended:
        application.main()
    assert ended.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("earshot: ")
    assert "https://example.org/tiny" in last
    assert "--from" in last
    return last


def add():
    """Run `earshot models add tiny --json`, which must succeed; return its document."""
    result = CliRunner().invoke(application.app, ["models", "add", "tiny", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_model_is_fetched_checked_and_installed(publisher, tmp_path):
    """Every file is in its place, nothing else is left, and stdout is one document."""
    document = add()
    assert document["folder"] == str(tmp_path / "tiny")
    assert (tmp_path / "tiny" / "means").read_bytes() == CONTENT
    assert (tmp_path / "tiny" / "COPYING").read_bytes() == b"free"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert publisher.ranges == [None]


def test_a_transfer_that_breaks_off_is_continued(publisher, tmp_path, monkeypatch, capsys):
    """A truncated answer installs nothing and is told; the same command then fetches only what is missing."""
    publisher.breaks_after = 70_000
    assert "could not be fetched" in fails(monkeypatch, capsys)
    assert not (tmp_path / "tiny").exists()
    add()
    assert (tmp_path / "tiny" / "means").read_bytes() == CONTENT
    begin = int(publisher.ranges[1].removeprefix("bytes=").rstrip("-"))
    assert 0 < begin <= 70_000


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x"])
def test_a_file_of_another_size_or_checksum_is_refused_and_not_kept(publisher, tmp_path, monkeypatch, capsys, wrong):
    """Nothing is installed, and the next call begins anew."""
    publisher.content["/model/deep/means"] = wrong
    assert "means" in fails(monkeypatch, capsys)
    assert not (tmp_path / "tiny").exists()
    publisher.content["/model/deep/means"] = CONTENT
    add()
    assert publisher.ranges == [None, None]


def test_what_the_publisher_no_longer_has_is_told(publisher, monkeypatch, capsys):
    """The status is named."""
    publisher.content.clear()
    assert "404" in fails(monkeypatch, capsys)


def test_an_unreachable_publisher_is_told(monkeypatch, capsys, tmp_path):
    """A refused connection is one sentence."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path))
    monkeypatch.setattr(command, "find", lambda _id: replace(TINY, source="http://127.0.0.1:1/model"))
    assert "could not be fetched" in fails(monkeypatch, capsys)


def test_a_model_without_checksums_is_only_taken_from_a_copy(monkeypatch, capsys, tmp_path):
    """What could not be checked is not fetched; where it is published is told."""
    monkeypatch.setenv("EARSHOT_MODELS", str(tmp_path))
    monkeypatch.setattr(command, "find", lambda _id: replace(TINY, source=""))
    told = fails(monkeypatch, capsys)
    assert "https://example.org/tiny" in told
    assert "--from" in told


def test_every_known_model_can_be_fetched():
    """An entry with a source says where each file is and how to tell that it is the right one, if an engine needs it."""
    for model in KNOWN:
        if not model.source:
            continue
        assert model.source.startswith("https://")
        assert not model.source.endswith("/")
        assert all(file.path for file in model.files)
        assert all(file.sha256 and file.size_bytes for file in model.files if file.required)

"""Getting a model's files from where its publisher has them. What arrived before an interruption is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import httpx

from earshot_models import Model, ModelError, ModelFile, default_directory

_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 16

Progress: TypeAlias = Callable[[int], None]
"""Told how many more bytes are there; fewer when a file is begun again."""


def fetch(model: Model, progress: Progress, directory: Path | None = None) -> Path:
    """Fetch a model's files into a folder of their own, from which they can be added.

    A file has its name when it is whole and checked, and ends in .part until then: the next call fetches the rest.

    Args:
        model: Which.
        progress: Told of bytes as they arrive, those of an earlier call included.
        directory: Of all models; None: the default one.

    Returns:
        The folder; delete it when the model is added.

    Raises:
        ModelError: source_unknown, source_unreachable, source_altered.
        OSError: The folder can't be written.
    """
    if not model.source:
        raise ModelError(
            f"{model.id} is not fetched, because its publisher names no checksums: get it from {model.page} and name its "
            f"directory or archive with --from.",
            code="source_unknown",
        )
    folder = (directory or default_directory()) / f".fetched-{model.id}"
    folder.mkdir(parents=True, exist_ok=True)
    timeout = httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    with httpx.Client(timeout=timeout, follow_redirects=True) as client:
        for file in model.files:
            whole = folder / file.name
            if whole.is_file() and _is(file, whole):
                progress(whole.stat().st_size)
                continue
            part = folder / f"{file.name}.part"
            try:
                _fetch_file(client, f"{model.source}/{file.path}", part, progress)
            except httpx.HTTPStatusError as error:
                raise _failed(model, f"{error.request.url.host} answered {error.response.status_code}") from error
            except httpx.TimeoutException as error:
                raise _failed(model, "it did not answer in time") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failed(model, str(error) or type(error).__name__) from error
            if not _is(file, part):
                size = part.stat().st_size
                part.unlink()
                raise ModelError(
                    f"What {model.publisher} has as {file.name} of {model.id} ({size} bytes) is not the file that Earshot "
                    f"is tested with: get the model from {model.page} and name its directory or archive with --from.",
                    code="source_altered",
                )
            part.rename(whole)
    return folder


def _fetch_file(client: httpx.Client, url: str, part: Path, progress: Progress) -> None:
    """Fetch what a file still lacks.

    Raises:
        httpx.HTTPError: It can't be had, or ended early.
    """
    have = part.stat().st_size if part.exists() else 0
    # Compressed, a part's length would not be a place in the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if have and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            # All of it is there; whether it is right is checked next.
            progress(have)
            return
        response.raise_for_status()
        resumed = bool(have) and response.status_code == httpx.codes.PARTIAL_CONTENT
        if resumed:
            progress(have)
        with part.open("ab" if resumed else "wb") as output:
            for chunk in response.iter_raw(_CHUNK_BYTES):
                output.write(chunk)
                progress(len(chunk))


def _is(file: ModelFile, path: Path) -> bool:
    """Tell whether a file has the size and checksum that are known of it."""
    if file.size_bytes is not None and path.stat().st_size != file.size_bytes:
        return False
    if file.sha256 is None:
        return True
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def _failed(model: Model, reason: str) -> ModelError:
    reason = " ".join(reason.split()).rstrip(".")
    return ModelError(
        f"{model.id} could not be fetched ({reason}): try again, or get it from {model.page} and name its directory or "
        f"archive with --from.",
        code="source_unreachable",
    )

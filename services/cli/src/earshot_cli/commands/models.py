"""earshot models list | add | verify: model directories."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_models import KNOWN, Model, Verification, add, default_directory, find, verify

app = typer.Typer(help="Models for recognition and synthesis.", no_args_is_help=True)

_ModelId = Annotated[str, typer.Argument(help="A model's id, as `earshot models list` prints it.")]


@app.command("list")
def list_models(*, as_json: Json = False) -> None:
    """List the models that can be used, with publisher, size and licence, and which are installed."""
    output = Output(as_json=as_json)
    found = [verify(model) for model in KNOWN]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("model", "engine", "locale", "MB", "licence", "publisher", "state"):
        table.add_column(name, justify="right" if name == "MB" else "left")
    for one in found:
        model = one.model
        size = f"{model.size_bytes / 1e6:.1f}"
        row = (model.id, model.engine, model.locale, size, model.licence, model.publisher, _state(one))
        table.add_row(*row)
    output.show(table, f"\nInstalled models lie in {default_directory()}; published at:")
    output.show(*(f"  {model.id}: {model.page}" for model in KNOWN))
    output.document({"directory": str(default_directory()), "models": [_document(one) for one in found]})


@app.command("add")
def add_model(
    model: _ModelId,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Directory or archive (.zip, .tar.gz) to copy; default: fetch it from its publisher."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Install a model from its publisher, a directory or an archive, after checking every file of it.

    What arrived before an interruption is kept: the same command fetches the rest.
    """
    output = Output(as_json=as_json)
    known = find(model)
    if source is None:
        fetched = _fetched(known, output)
        folder = add(known, fetched)
        shutil.rmtree(fetched)
    else:
        output.progress.print(f"checking and copying {known.id} …")
        folder = add(known, source)
    output.show(f"{known.id} is installed in {folder}; services find it at their next start")
    output.document({"model": known.id, "folder": str(folder), "from": str(source or known.source)})


def _fetched(model: Model, output: Output) -> Path:
    from earshot_cli.fetching import fetch  # noqa: PLC0415 - an HTTP client, which no other command's start should wait for

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=output.progress, transient=True) as bar:
        task = bar.add_task(f"fetching {model.id}", total=model.size_bytes)
        return fetch(model, lambda arrived: bar.advance(task, arrived))


@app.command("verify")
def verify_models(
    model: Annotated[str | None, typer.Argument(help="A model's id; default: every installed one.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Compare installed models with their checksums; exits 1 if one is damaged, or a named one is not installed."""
    output = Output(as_json=as_json)
    found = [verify(one) for one in (KNOWN if model is None else (find(model),))]
    output.show(*(one.sentence() for one in found))
    output.document({"models": [_document(one) for one in found]})
    if not all(one.ok or (model is None and not one.present) for one in found):
        raise typer.Exit(1)


def _state(found: Verification) -> str:
    if not found.present:
        return "not installed"
    return "installed" if found.ok else "damaged"


def _document(found: Verification) -> dict[str, Any]:
    model: Model = found.model
    return {
        "id": model.id,
        "summary": model.summary,
        "engine": model.engine,
        "locale": model.locale,
        "publisher": model.publisher,
        "page": model.page,
        "licence": model.licence,
        "size_bytes": model.size_bytes,
        "state": _state(found),
        "folder": str(found.folder),
        "missing": list(found.missing),
        "altered": list(found.altered),
    }

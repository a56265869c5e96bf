"""earshot models: model directories."""

from __future__ import annotations

import typer

app = typer.Typer(help="Models for recognition and synthesis.", no_args_is_help=True)

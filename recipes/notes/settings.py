"""The settings of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read(path: Path) -> dict[str, Any]:
    """What a recipe says, laid over the recipe beside it that its ``base`` names."""
    own: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = own.pop("base", None)
    return {**read(path.with_name(base)), **own} if base else own

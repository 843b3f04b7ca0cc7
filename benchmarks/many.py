"""Ten thousand files of three seconds on four cards, by the model ``field``: the memory that their number costs."""

from __future__ import annotations

from cards import linked
from measure import Figure, Settings


def run(settings: Settings) -> list[Figure]:
    """With two workers."""
    return linked(settings, "many", 12 if settings.quick else 10_000, 0.05)

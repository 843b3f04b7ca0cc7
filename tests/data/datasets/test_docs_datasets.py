"""The page on data sets says of each what its description says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonoscope.data.datasets import DATASETS

PAGE = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text(encoding="utf-8").replace("\\|", "|")


@pytest.mark.parametrize("name", DATASETS)
def test_the_page_has_what_licence_layout_source_use_and_citation(name: str) -> None:
    dataset = DATASETS[name]
    lines = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(lines) == 3
    said = " ".join(lines)
    for text in (
        dataset.what,
        dataset.licence,
        ", ".join(dataset.splits),
        ", ".join(dataset.parts),
        dataset.layout,
        dataset.source,
        dataset.protocol,
        dataset.citation,
    ):
        assert text in said

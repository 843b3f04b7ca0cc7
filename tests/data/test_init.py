"""The folders of a project: made once, kept as they are, and ready for the commands that its README names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonoscope.data import init, labelmap
from sonoscope.data.manifest import BadManifest
from sonoscope.errors import UsageError


def test_folders_are_made_once_and_nothing_is_touched(tmp_path: Path) -> None:
    made = init.create(tmp_path / "bees" / "2024", labels=["bee", "fly", "noise"])
    root = tmp_path / "bees" / "2024"
    assert {path.name for path in root.iterdir()} == {*init.FOLDERS, "README.md", "labels.json", "labels.txt"}
    assert {path.name for path in (root / "clips").iterdir()} == {"bee", "fly", "background"}
    assert all(path.exists() for path in made) and "# 2024" in (root / "README.md").read_text()
    (root / "README.md").write_text("mine")
    (root / "docs").rmdir()
    assert init.create(root) == [root / "docs"]
    assert (root / "README.md").read_text() == "mine"
    assert init.create(root, labels=["bee", "fly", "noise"]) == []
    with pytest.raises(BadManifest, match="is another label map"):
        init.create(root, labels=["bee", "wasp"])


def test_a_label_set_becomes_the_map(tmp_path: Path) -> None:
    init.create(tmp_path, labels="irmas")
    assert labelmap.read(tmp_path / "labels.json")[0].code == "cel"
    assert (tmp_path / "clips" / "acoustic_guitar").is_dir()


@pytest.mark.parametrize("label", ["a/b", "a,b", "-a", "nul", "a?"])
def test_a_label_that_cannot_be_a_folder_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(UsageError, match="cannot be a folder"):
        init.create(tmp_path, labels=[label])
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="is a file; name a folder"):
        init.create(tmp_path / "x")

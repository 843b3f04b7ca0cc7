"""Names lead to a table, a family, a user's own file, or an installed package."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sonoscope import plugins
from sonoscope.errors import UnknownName, UsageError


class Family:
    """Stands for many."""

    variant = "member"

    def __init__(self, n: int, *, member: str = "first") -> None:
        self.n, self.member = n, member


TABLE = {"plain": dict, "family": Family}


def test_a_name_of_the_table_and_a_member_of_a_family() -> None:
    assert plugins.resolve(TABLE, "plain", "backbone") is dict
    made = plugins.resolve(TABLE, "family:second:third", "backbone")(3)
    assert (made.n, made.member) == (3, "second:third")
    with pytest.raises(UsageError, match="name a member after the colon, as in 'family:NAME'"):
        plugins.resolve(TABLE, "family:", "backbone")


def test_a_users_own_file(tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text("class MyNet:\n    answer = 42\n")
    kind = plugins.resolve(TABLE, f"{file}:MyNet", "backbone")
    assert kind.answer == 42
    assert plugins.resolve(TABLE, f"{file}:MyNet", "backbone") is kind
    file.write_text("class MyNet:\n    answer = 43\n")
    assert plugins.resolve(TABLE, f"{file}:MyNet", "backbone").answer == 43
    with pytest.raises(
        UnknownName, match=r"my_net\.py has no backbone 'MyNot'\. Did you mean 'MyNet'\? It has: MyNet"
    ):
        plugins.resolve(TABLE, f"{file}:MyNot", "backbone")
    with pytest.raises(UsageError, match=r"nothing\.py: no such file"):
        plugins.resolve(TABLE, f"{tmp_path}/nothing.py:MyNet", "backbone")


def test_a_file_that_fails_says_how_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import nothing_of_that_name\n")
    before = set(sys.modules)
    with pytest.raises(
        UsageError, match=r"broken\.py: cannot be loaded: ModuleNotFoundError: No module named 'nothing"
    ):
        plugins.resolve(TABLE, f"{file}:Net", "backbone")
    assert set(sys.modules) == before


def test_an_installed_package_offers_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_package.py").write_text("class Theirs:\n    pass\n")
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sonoscope.backbones]\ntheirs = their_package:Theirs\nlost = their_package:Lost\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.resolve(TABLE, "theirs", "backbone").__name__ == "Theirs"
    with pytest.raises(UsageError, match="backbone 'lost' of the package their_package: cannot be loaded"):
        plugins.resolve(TABLE, "lost", "backbone")
    with pytest.raises(UnknownName, match="Known: family, lost, plain, theirs"):
        plugins.resolve(TABLE, "other", "backbone")
    assert EntryPoint("theirs", "their_package:Theirs", "sonoscope.backbones").load().__name__ == "Theirs"


def test_unknown_names_and_parameters_name_the_nearest() -> None:
    with pytest.raises(
        UnknownName,
        match=r"unknown head 'plane'\. Did you mean 'plain'\?.* One of your own: 'my_head\.py:Name'",
    ):
        plugins.resolve(TABLE, "plane", "head")
    with pytest.raises(
        UnknownName, match=r"unknown parameter 'membr' of this head\. Did you mean 'member'\?"
    ):
        plugins.check_parameters(Family, {"membr": 1}, "head")
    plugins.check_parameters(Family, {"member": "x"}, "head")
    plugins.check_parameters(lambda **anything: anything, {"whatever": 1}, "head")


@pytest.mark.parametrize("spec", [{}, {"width": 4}, {"name": None}, {"name": 3}])
def test_a_part_without_a_name_is_told(spec) -> None:
    with pytest.raises(UsageError, match=r"a head is a name, or a mapping with name and parameters, not \{"):
        plugins.named({}, spec, "head")


def test_what_the_caller_gives_is_no_parameter() -> None:
    def make(rows, bins, *, width=1):
        """Two that are given, one that may be."""

    with pytest.raises(UnknownName, match="the parameter 'bins' of this head follows from the rest"):
        plugins.check_parameters(make, {"bins": 1}, "head", given=2)
    with pytest.raises(UnknownName, match=r"unknown parameter 'wdth' of this head\..* Known: width\."):
        plugins.check_parameters(make, {"wdth": 1}, "head", ("rows", "bins"))
    plugins.check_parameters(make, {"width": 1}, "head", given=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Mine: pass", "cannot be made: TypeError: Mine\\(\\) takes no arguments"),
        (
            "class Mine:\n    def __init__(self, *_, **__): pass",
            "is no Backbone: derive it from sonoscope.networks",
        ),
    ],
)
def test_a_class_that_is_no_backbone_is_told(text: str, message: str, tmp_path: Path) -> None:
    backbones = pytest.importorskip("sonoscope.networks.backbones")
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        backbones.build(f"{tmp_path / 'mine.py'}:Mine", 8)

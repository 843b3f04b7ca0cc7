"""What a configuration gives is held to the annotations of what takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from sonoscope import plugins, signatures
from sonoscope.errors import UsageError
from sonoscope.features import FEATURES, from_dict
from sonoscope.signatures import Count, Positive, Share, Size, fits


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        (int, [0, -3], [True, 2.0, "2", None, [2]]),
        (float, [0.5, 2], [True, "0.5", None, [0.5]]),
        (bool, [True, False], [1, "true", None]),
        (str, ["", "x"], [1, None, ["x"]]),
        (str | Path, ["x", Path("x")], [1, False]),
        (Literal["a", "b"], ["a"], ["c", 1]),
        (int | None, [None, 1], ["1", 1.5]),
        (Sequence[int], [[], [1], (1, 2)], ["12", 1, [1, "x"], {"a": 1}]),
        (tuple[int, ...], [[1, 2, 3]], [[1.5], 3]),
        (tuple[int, str], [[1, "a"]], [[1], ["a", 1], [1, "a", 2]]),
        (Sequence[Sequence[int]], [[[1], [2, 3]]], [[1], [["x"]]]),
        (Mapping[str, int], [{"a": 1}], [{"a": "b"}, [1]]),
        (Size, [1, 9], [0, -1, 1.0]),
        (Count, [0], [-1]),
        (Share, [0, 0.5, 1], [-0.1, 1.1, float("nan")]),
        (Positive, [1e-9, 3], [0, -1]),
        (Sequence[Size], [[1, 2]], [[1, 0]]),
        (Any, [1, "x", None], []),
        (Path, ["x"], [3]),
    ],
)
def test_what_fits_an_annotation(kind: Any, fitting: list[Any], others: list[Any]) -> None:
    assert all(fits(value, kind) for value in fitting)
    assert not [value for value in others if fits(value, kind)]


def test_it_is_said_what_is_taken_with_an_example_that_is() -> None:
    def make(
        width: float = 1.0, layers: Sequence[Size] = (512,), *, folder: str, size: Size, one: Literal["a", "b"] = "a",
        sides: tuple[int, int] | None = None, strict: bool = False, spread: float | Sequence[float] = (-3.0, 3.0),
    ) -> None: ...  # fmt: skip

    taken = signatures.parameters(make)
    for name, value, message in (
        ("width", "abc", "width='abc' must be a number, such as width=1.0"),
        (
            "layers",
            "many",
            "layers='many' must be a list of whole numbers of at least 1, such as layers=[512]",
        ),
        ("folder", 2024, 'folder=2024 must be text, such as folder="2024"'),
        ("size", -1, "size=-1 must be a whole number of at least 1, such as size=1"),
        ("one", "c", "one='c' must be one of a, b, such as one=a"),
        ("sides", [1], "sides=[1] must be a list of 2 whole numbers or null, such as sides=[1, 1]"),
        ("strict", "yes", "strict='yes' must be true or false, such as strict=false"),
        ("spread", None, "spread=null must be a number or a list of numbers, such as spread=[-3.0, 3.0]"),
    ):
        assert signatures.wrong(taken[name], value) == message
        example = yaml.safe_load(message.rpartition("=")[2])  # as a word of the command line is read
        assert fits(example, taken[name].annotation)


def test_a_part_of_the_users_own_gains_from_its_annotations(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from collections.abc import Sequence\n"
        "from sonoscope.signatures import Size\n"
        "class Mine:\n"
        "    def __init__(self, n_bins: int, *, layers: Sequence[Size] = (8,), free=1, odd: Unknown = 2): ...\n"
        "class Known:\n"
        "    def __init__(self, n_bins: int, *, layers: Sequence[Size] = (8,), free=1): ...\n"
    )
    known = plugins.resolve({}, f"{file}:Known", "backbone")
    plugins.check_parameters(known, {"layers": [4, 2], "free": "anything"}, "backbone", given=1)
    with pytest.raises(
        UsageError, match=r"backbone: layers=\[0\] must be a list of whole numbers of at least 1"
    ):
        plugins.check_parameters(known, {"layers": [0]}, "backbone", given=1)
    # An annotation that is no name of the file says nothing, and is no reason to fail.
    mine = plugins.resolve({}, f"{file}:Mine", "backbone")
    plugins.check_parameters(mine, {"layers": "whatever", "odd": 1}, "backbone", given=1)


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_no_parameter_of_a_feature_takes_what_it_is_not(name: str) -> None:
    for key, parameter in signatures.parameters(FEATURES[name]).items():
        for value in ({"no": "thing"}, None):
            if parameter.annotation is not Any and not fits(value, parameter.annotation):
                with pytest.raises(UsageError, match=f"feature '{name}': {key}="):
                    from_dict({"name": name, key: value})
    with pytest.raises(UsageError, match=r"sample_rate=22050\.5 must be a whole number") as told:
        from_dict({"name": "stft", "sample_rate": 22050.5})
    assert "such as sample_rate=22050" in str(told.value)


def test_no_part_of_a_network_takes_text_for_a_number() -> None:
    pytest.importorskip("torch")
    from sonoscope.networks.backbones import BACKBONES
    from sonoscope.networks.heads import HEADS
    from sonoscope.training.augment import AUGMENTATIONS
    from sonoscope.training.losses import EMBEDDING_LOSSES, LOSSES

    told = 0
    for table in (BACKBONES, HEADS, LOSSES, EMBEDDING_LOSSES, AUGMENTATIONS):
        for name, make in table.items():
            for key, parameter in signatures.parameters(make).items():
                if fits(2.5, parameter.annotation) and not fits("abc", parameter.annotation):
                    with pytest.raises(UsageError, match=f"part: {key}='abc' must be"):
                        plugins.check_parameters(make, {key: "abc"}, "part")
                    told += 1
                assert not isinstance(parameter.annotation, str), f"{name}.{key}: {parameter.annotation}"
    assert told > 80

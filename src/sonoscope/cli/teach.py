"""``sonoscope train SNIPPETS -o NAME``: a detector of one's own sounds, taught on a model that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.telling import say
from sonoscope.cli.words import listed
from sonoscope.errors import UsageError, nearest

if TYPE_CHECKING:
    from sonoscope.training.teach import Wish

Unlabelled = Annotated[
    list[str] | None,
    typer.Option(
        "--unlabelled",
        metavar="RECORDINGS",
        show_default=False,
        help="Teaching: recordings of your field, not listened to; what sounds there counts as none. Repeatable.",
    ),
]
Hours = Annotated[
    float | None,
    typer.Option(
        "--hours",
        metavar="N",
        show_default=False,
        help="Teaching: how much of --unlabelled is heard (default: 1).",
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        metavar="folder|REGEX",
        show_default=False,
        help="Teaching: which site a snippet is from: its folder inside that of the class, or what the expression "
        "finds in its path. Default: folders, if there are any.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="MODEL",
        show_default=False,
        help="Teaching: the model whose embedding is taught on (default: field).",
    ),
]
Verdicts = Annotated[
    list[Path] | None,
    typer.Option(
        "--verdicts",
        metavar="CLIPS",
        show_default=False,
        help="Teaching: also learn from the judged clips in this folder. Repeatable.",
    ),
]
Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        metavar="SHARE",
        show_default=False,
        help="Teaching: thresholds with this precision among what was left out (default: the best F0.5).",
    ),
]
OnlyMarked = Annotated[
    bool,
    typer.Option(
        "--only-marked", help="Teaching: in annotated recordings, what is not marked says nothing, not none."
    ),
]
Without = Annotated[
    str | None,
    typer.Option(
        "--without",
        metavar="KIND,...",
        show_default=False,
        help="Teaching: built-in backgrounds to leave out, such as rain,engine; all.",
    ),
]
Finetune = Annotated[
    bool,
    typer.Option(
        "--finetune", help="Teaching: afterwards also train the base itself on the same sounds (needs torch)."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Teaching: replace the model that is there.")]

#: Where a detector goes that nobody named.
DEFAULT_NAME = "detector"


def is_teaching(words: Sequence[str], wishes: dict[str, Any], network: dict[str, Any]) -> bool:
    """Whether sounds are taught (nothing but sounds is named), or a network is trained.

    Parameters
    ----------
    words : sequence of str
    wishes, network : dict
        What was given of the options of either, by name.

    Raises
    ------
    UsageError
        If options of both are given.
    UnknownName
        If there is nothing of the first word's name, and a preset has nearly that name.
    """
    from sonoscope.training import plans, presets

    told = [name for name, value in wishes.items() if value]
    other = [name for name, value in network.items() if value]
    named = [word for word in words if plans.is_named(word)]
    if told and (other or named):
        raise UsageError(
            f"{told[0]} is for teaching a detector on a model that is there, {(other or named)[0]} for training a "
            "network: leave one of them out"
        )
    if not words:
        # Options alone are an error of teaching, which says what is missing.
        return bool(told)
    if not (told or other or named) and not Path(words[0]).exists() and nearest(words[0], presets.names()):
        plans.asked(words[:1])
    return not (other or named)


def wish_of(words: Sequence[str], wishes: dict[str, Any]) -> Wish:
    """What is asked, checked."""
    from sonoscope.training.start import room

    teach = room("sonoscope.training.teach", "teaching")
    without = wishes["--without"] or ""
    given = {
        "hours": wishes["--hours"], "base": wishes["--base"], "unlabelled": tuple(wishes["--unlabelled"] or ()),
        "group_by": wishes["--group-by"], "verdicts": tuple(wishes["--verdicts"] or ()),
        "precision": wishes["--precision"], "only_marked": wishes["--only-marked"],
        "without": tuple(listed(without)),
    }  # fmt: skip
    if wishes["--hours"] is not None and not wishes["--unlabelled"]:
        raise UsageError("--hours says how much of --unlabelled is heard: give recordings with --unlabelled")
    found: Wish = teach.Wish(
        tuple(words), **{key: value for key, value in given.items() if value is not None}
    )
    return found


def taught(words: Sequence[str], out: str | None, wishes: dict[str, Any]) -> int:
    """Teach, and say what came of it."""
    from sonoscope.training import plans
    from sonoscope.training.start import room

    wish = wish_of(words, wishes)
    place = plans.folder_for(DEFAULT_NAME, out)
    teach = room("sonoscope.training.teach", "teaching")
    found = teach.teach(wish, place, overwrite=wishes["--overwrite"], finetune=wishes["--finetune"], say=say)
    print("\n".join(found.lines))
    return 1 if found.failed else 0

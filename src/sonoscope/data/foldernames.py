"""Labels from the names of folders, in the grammar of BirdNET's trainer.

``violin`` is a label, ``violin,piano`` are two that sound together, ``-violin`` says that violin is known not to
sound. Folders named noise, background, other or silence hold none of the labels.

Reference: BirdNET-Analyzer, *Training custom classifiers*, section on the training data.
"""

from __future__ import annotations

from unicodedata import normalize

from sonoscope.data.rows import EVERYTHING_ELSE

#: Folders of what is none of the classes (compared without regard to case).
NON_EVENTS = ("noise", "background", "other", "silence")


def labels_of(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels, and the labels known to be absent, that a folder's name states.

    >>> labels_of("violin, piano"), labels_of("-violin"), labels_of("Noise"), labels_of("*")
    ((('violin', 'piano'), ()), ((), ('violin',)), ((), ()), ((), ()))
    """
    if folder.casefold() in NON_EVENTS:
        return (), ()
    words = [normalize("NFC", word.strip()).replace(";", " ").replace("|", " ") for word in folder.split(",")]
    labels = dict.fromkeys(word for word in words if not word.startswith("-"))
    absent = dict.fromkeys(word[1:].strip() for word in words if word.startswith("-"))
    return tuple(filter(_is_label, labels)), tuple(filter(_is_label, absent))


def _is_label(word: str) -> bool:
    return word not in ("", EVERYTHING_ELSE)

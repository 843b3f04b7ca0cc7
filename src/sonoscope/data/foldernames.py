"""Labels from the names of folders, in the grammar of BirdNET's trainer.

``violin`` is a label, ``violin,piano`` are two that sound together, ``-violin`` says that violin is known not to
sound. Folders named noise, background, other or silence hold none of the labels.

Reference: BirdNET-Analyzer, *Training custom classifiers*, section on the training data.
"""

from __future__ import annotations

from unicodedata import normalize

#: Folders of what is none of the classes (compared without regard to case).
NON_EVENTS = ("noise", "background", "other", "silence")


def labels_of(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels, and the labels known to be absent, that a folder's name states.

    >>> labels_of("violin, piano"), labels_of("-violin"), labels_of("Noise")
    ((('violin', 'piano'), ()), ((), ('violin',)), ((), ()))
    """
    if folder.casefold() in NON_EVENTS:
        return (), ()
    words = [normalize("NFC", word.strip()).replace(";", " ").replace("|", " ") for word in folder.split(",")]
    labels = tuple(dict.fromkeys(word for word in words if word and not word.startswith("-")))
    absent = tuple(
        dict.fromkeys(word[1:].strip() for word in words if word.startswith("-") and word[1:].strip())
    )
    return labels, absent

"""Command lines of other systems' train scripts: their options as the ``KEY=VALUE`` words of this one.

>>> as_words(["--train-paths", "irmastrain:irmas", "--model", "CONVNEXT_TINY", "--lr", "1e-4", "-o", "first"], {"-o"})
['train_paths=irmastrain:irmas', 'model=CONVNEXT_TINY', 'lr=1e-4', '-o', 'first']
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from difflib import get_close_matches

from sonoscope.errors import NEAR, UsageError
from sonoscope.training.aliases import ALIASES
from sonoscope.training.config import Config, bare_keys, full_key
from sonoscope.training.foreign import number

#: Before a key that takes no value: not.
NO = ("no_", "no")


def as_words(arguments: Sequence[str], own: Collection[str]) -> list[str]:
    """``arguments`` in which options of other systems are words; whatever else there is stays as it is.

    Parameters
    ----------
    arguments : sequence of str
        Those of the command.
    own : collection of str
        Its own options, which always mean what they mean here.

    Raises
    ------
    UsageError
        If one of those options has no value.
    """
    made: list[str] = []
    place = 0
    while place < len(arguments):
        word = arguments[place]
        place += 1
        if word == "--":
            return [*made, word, *arguments[place:]]
        option, sign, text = word.partition("=")
        key = option[2:].replace("-", "_")
        negated = next((key[len(no) :] for no in NO if key.startswith(no) and _flag(key[len(no) :])), "")
        if not option.startswith("--") or option in own or not (key in ALIASES or negated):
            made.append(word)
        elif negated:
            made.append(f"{negated}=false")
        elif sign:
            made.append(f"{key}={text}")
        elif _flag(key):
            made.append(f"{key}=true")
        else:
            values = _values(arguments[place:], key)
            if not values:
                raise UsageError(f"{option} needs a value")
            place += len(values)
            made.append(f"{key}={values[0] if len(values) == 1 else json.dumps(list(map(number, values)))}")
    return made


def near_setting(option: str) -> str:
    """A remark on what an unknown option may have meant: another system's option, or a key of the configuration."""
    settings = {key: f"{whole}=" for key, whole in bare_keys().items()}
    options = {key: f"--{key.replace('_', '-')}" for key in ALIASES}
    known = settings | options
    found = get_close_matches(option.lstrip("-").replace("-", "_"), known, n=1, cutoff=NEAR)
    return f" Did you mean {known[found[0]]!r}?" if found else ""


def _flag(key: str) -> bool:
    return key in ALIASES and ALIASES[key].takes == "none"


def _values(following: Sequence[str], key: str) -> list[str]:
    """The words that are an option's: up to the next option or the next setting, or one."""
    found: list[str] = []
    for word in following:
        if word.startswith("--") or (word.startswith("-") and not word[1:2].isdigit()):
            break
        if found and not key.endswith("kwargs") and _is_setting(word):
            break
        found.append(word)
        if ALIASES[key].takes != "many":
            break
    return found


def _is_setting(word: str) -> bool:
    """Whether a word sets something: ``training.epochs=3``, ``epochs=3``."""
    name, sign, _ = word.partition("=")
    sections = {each.name for each in fields(Config)}
    return bool(sign) and (full_key(name).partition(".")[0] in sections or name.replace("-", "_") in ALIASES)

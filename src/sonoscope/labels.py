"""Named label sets and what is known about each label.

``INSTRUMENTS`` is the order in which the shipped ``instruments`` model scores: the eleven classes of IRMAS (with
their three-letter codes) followed by drums, bass and the explicit reject class ``other``. General MIDI programs
and AudioSet identifiers are those of the published tables. ``PITCHES`` are the keys of a piano.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sonoscope.errors import UsageError, lookup
from sonoscope.values import Label

INSTRUMENTS: tuple[Label, ...] = (
    Label("cello", "Cello", "cel", "strings", gm_program=42, audioset_mid="/m/01xqw"),
    Label("clarinet", "Clarinet", "cla", "winds", gm_program=71, audioset_mid="/m/01wy6"),
    Label("flute", "Flute", "flu", "winds", gm_program=73, audioset_mid="/m/0l14j_"),
    Label("acoustic_guitar", "Acoustic guitar", "gac", "strings", synonyms=("nylon_guitar", "steel_guitar"),
          gm_program=24, audioset_mid="/m/042v_gx"),
    Label("electric_guitar", "Electric guitar", "gel", "strings", gm_program=27, audioset_mid="/m/02sgy"),
    Label("organ", "Organ", "org", "keys", gm_program=16, audioset_mid="/m/013y1f"),
    Label("piano", "Piano", "pia", "keys", gm_program=0, audioset_mid="/m/05r5c"),
    Label("saxophone", "Saxophone", "sax", "winds", synonyms=("sax",), gm_program=65, audioset_mid="/m/06ncr"),
    Label("trumpet", "Trumpet", "tru", "winds", gm_program=56, audioset_mid="/m/07gql"),
    Label("violin", "Violin", "vio", "strings", gm_program=40, audioset_mid="/m/07y_7"),
    Label("voice", "Voice", "voi", "voice", synonyms=("singing", "vocals"), gm_program=53,
          audioset_mid="/m/015lz1"),
    Label("drums", "Drums", "dru", "drums", synonyms=("percussion",), audioset_mid="/m/02hnl"),
    Label("bass", "Bass", "bas", "strings", synonyms=("double_bass", "electric_bass"), gm_program=32,
          audioset_mid="/m/018vs"),
    Label("other", "Other", "oth", "other", kind="reject"),
)  # fmt: skip

#: The eleven classes of IRMAS (Bosch et al. 2012), in its usual order.
IRMAS: tuple[Label, ...] = INSTRUMENTS[:11]

#: The twelve pitch classes from C on.
TONES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_PITCH = re.compile(r"([A-Ga-g])(#{1,2}|b{1,2}|♯|♭|)(-?\d+)")
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}


def pitch_name(midi: int) -> str:
    """The name of a MIDI number, with sharps and middle C as C4.

    >>> pitch_name(21), pitch_name(60), pitch_name(70)
    ('A0', 'C4', 'A#4')
    """
    return f"{TONES[midi % 12]}{midi // 12 - 1}"


def midi_of(name: str) -> int:
    """The MIDI number of a pitch: ``E2``, ``Eb3``, ``f#4``, or the number itself.

    >>> midi_of("E2"), midi_of("Eb3"), midi_of("60")
    (40, 51, 60)

    Raises
    ------
    UsageError
        If it is no pitch, or one outside 0..127.
    """
    text = name.strip()
    found = _PITCH.fullmatch(text)
    if found:
        tone, accidentals, octave = found.groups()
        number = (
            TONES.index(tone.upper()) + sum(_ACCIDENTALS[a] for a in accidentals) + 12 * (int(octave) + 1)
        )
    elif text.isdecimal():
        number = int(text)
    else:
        raise UsageError(
            f"{name!r} is no pitch: a name with its octave (E2, Eb3, F#4), or a MIDI number (40)"
        )
    if not 0 <= number <= 127:
        raise UsageError(f"the pitch {name!r} is MIDI number {number}; those are 0 (C-1) to 127 (G9)")
    return number


def pitch_hz(midi: float) -> float:
    """The frequency of a MIDI number, A4 being 440 Hz."""
    return 440.0 * 2.0 ** ((midi - 69) / 12)


def _pitch(midi: int) -> Label:
    low_hz, high_hz = (round(pitch_hz(midi + half), 3) for half in (-0.5, 0.5))
    return Label(pitch_name(midi), pitch_name(midi), group="pitch", low_hz=low_hz, high_hz=high_hz)


#: The 88 keys of a piano by MIDI number, A0 to C8; a key reaches half a semitone down and up.
PITCHES: dict[int, Label] = {midi: _pitch(midi) for midi in range(21, 109)}

#: What the shipped model `field` scores: a few classes of field recordings, and what they are told apart from.
FIELD: tuple[Label, ...] = (
    Label("insect_buzz", "Insect buzz", "buzz", "animals", synonyms=("buzz", "bee"), audioset_mid="/m/01h3n"),
    Label("bird", "Bird", "bird", "animals", synonyms=("birdsong",), audioset_mid="/m/015p6"),
    Label("rain", "Rain", "rain", "weather", audioset_mid="/m/06mb1"),
    Label("wind", "Wind", "wind", "weather", audioset_mid="/m/03m9d0z"),
    Label("speech", "Speech", "spee", "people", audioset_mid="/m/09x0r"),
    Label("engine", "Engine", "engi", "machines", synonyms=("motor", "aircraft"), audioset_mid="/m/02mk9"),
    Label("background", "Background", "back", "other", kind="background"),
    Label("other", "Other", "oth", "other", kind="reject"),
)

LABEL_SETS: dict[str, tuple[Label, ...]] = {"instruments": INSTRUMENTS, "irmas": IRMAS, "field": FIELD}


def label_set(name: str) -> tuple[Label, ...]:
    """The labels of a named set, in order. Raises ``UnknownName``."""
    return lookup(LABEL_SETS, name, "label set")


def index(labels: Iterable[Label]) -> dict[str, int]:
    """Every id, code and synonym of ``labels`` to its position; ids win over codes, codes over synonyms."""
    labels = tuple(labels)
    found: dict[str, int] = {}
    for names in (
        lambda label: label.synonyms,
        lambda label: (label.code,) if label.code else (),
        lambda label: (label.id,),
    ):
        for position, label in enumerate(labels):
            found.update(dict.fromkeys(names(label), position))
    return found

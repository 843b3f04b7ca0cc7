"""Named label sets and what is known about each label.

``INSTRUMENTS`` is the order in which the shipped ``instruments`` model scores: the eleven classes of IRMAS (with
their three-letter codes) followed by drums, bass and the explicit reject class ``other``. General MIDI programs
and AudioSet identifiers are those of the published tables.
"""

from __future__ import annotations

from collections.abc import Iterable

from sonoscope.errors import lookup
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

LABEL_SETS: dict[str, tuple[Label, ...]] = {"instruments": INSTRUMENTS, "irmas": IRMAS}


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

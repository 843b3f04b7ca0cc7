"""Who can play: the instruments of General MIDI as the renderer uses them.

Each :class:`Instrument` names the GM programs that sound like it (with a weight each), the range in which
they are played, the textures that suit it, and the label it teaches. The labels are those of
:data:`sonoscope.labels.INSTRUMENTS`; whatever is none of its named classes is labelled ``other``.

Left out on purpose: programs in which several named instruments sound at once or cannot be told apart by name
(string ensembles 48-51, fiddle 110, electric pianos 4-5, choir and voice synths 85 and 91, guitar noises 120,
orchestra hit 55). Programs are 0-based; pitches are MIDI numbers; drum kits live in bank 128.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sonoscope.errors import lookup

#: Bank of the percussion kits in every General MIDI soundfont.
KIT_BANK = 128


@dataclass(frozen=True)
class Program:
    """One GM program: its 0-based number, how often it is drawn, its range (MIDI pitches, inclusive)."""

    number: int
    weight: float
    low: int
    high: int


@dataclass(frozen=True)
class Instrument:
    """An instrument for the renderer.

    Attributes
    ----------
    name : str
        Name in file names and on the command line.
    label : str
        The label id it teaches.
    family : str
        Key of :data:`TEXTURES`.
    programs : tuple of Program
    sustains : bool
        Whether a held note keeps sounding, so that vibrato and swells are audible.
    pedal : bool
        Whether a sustain pedal is used.
    """

    name: str
    label: str
    family: str
    programs: tuple[Program, ...]
    sustains: bool = True
    pedal: bool = False
    bank: int = field(default=0)

    @property
    def is_kit(self) -> bool:
        """Whether its keys are drums rather than pitches."""
        return self.bank == KIT_BANK

    def program(self, number: int) -> Program:
        """The program with this number. Raises ``UnknownName``."""
        table = {str(program.number): program for program in self.programs}
        return lookup(table, str(number), f"program of {self.name}")

    def program_for(self, index: int) -> Program:
        """The program of stem ``index``: in proportion to the weights, the same however many follow."""
        total = sum(program.weight for program in self.programs)
        given = [0] * len(self.programs)
        chosen = 0
        for count in range(1, index + 2):
            owed = [count * p.weight / total - g for p, g in zip(self.programs, given, strict=True)]
            chosen = owed.index(max(owed))
            given[chosen] += 1
        return self.programs[chosen]


#: How much each texture of :mod:`sonoscope.data.rendering.music` is used, by family.
TEXTURES: dict[str, dict[str, float]] = {
    "bowed": {"melody": 4, "long": 2, "voices": 0.7, "runs": 1, "trill": 1, "single": 1, "arpeggio": 0.7},
    "winds": {"melody": 4, "long": 2, "runs": 1.5, "trill": 1, "single": 1, "arpeggio": 1},
    "brass": {"melody": 4, "long": 1.5, "runs": 0.6, "trill": 0.8, "single": 1, "arpeggio": 0.7},
    "guitar": {
        "strum": 2, "arpeggio": 3, "melody": 2, "accompanied": 1.5, "chords": 1, "single": 0.7, "voices": 0.7,
        "runs": 0.4, "scatter": 0.3,
    },
    "amplified": {
        "strum": 1.2, "power": 2.5, "melody": 2.5, "arpeggio": 1.2, "runs": 1, "riff": 1.2, "chords": 0.6,
        "single": 0.7,
    },
    "organ": {
        "sustained": 3, "accompanied": 2, "voices": 2, "melody": 1.5, "chords": 1.5, "arpeggio": 0.7,
        "runs": 0.4,
    },
    "keys": {
        "accompanied": 3, "arpeggio": 2, "chords": 1.5, "voices": 1.5, "melody": 1.2, "runs": 0.8,
        "scatter": 1, "single": 0.6, "sustained": 0.5,
    },
    "voice": {"melody": 2.5, "sustained": 2, "long": 2, "chords": 1, "voices": 1, "single": 0.6},
    "bass": {"walking": 3, "riff": 3, "melody": 0.7, "long": 0.7, "single": 0.5, "runs": 0.3},
    "mallets": {"melody": 3, "arpeggio": 1.5, "chords": 0.5, "runs": 1, "trill": 1, "single": 0.7},
    "plucked": {
        "arpeggio": 3, "melody": 2.5, "chords": 1, "accompanied": 1, "runs": 1, "trill": 0.5, "single": 0.7,
    },
    "reeds": {"melody": 2.5, "accompanied": 2, "sustained": 1.5, "chords": 1, "long": 0.7, "runs": 0.5},
    "synth": {"sustained": 2, "melody": 2, "arpeggio": 1.5, "long": 1, "riff": 1, "chords": 0.7},
    "timpani": {"trill": 2, "riff": 1.5, "single": 1.5},
    "effects": {"single": 1},
    "kit": {"groove": 5, "ride": 1.5, "fills": 1, "percussion": 1.5, "sparse": 0.7},
}  # fmt: skip


def _one(name: str, family: str, number: int, low: int, high: int, **more: bool) -> Instrument:
    """An instrument of one program labelled ``other``."""
    return Instrument(name, "other", family, (Program(number, 1.0, low, high),), **more)


def _several(numbers: dict[int, float], low: int, high: int) -> tuple[Program, ...]:
    """Programs with weights that share a range."""
    return tuple(Program(number, weight, low, high) for number, weight in numbers.items())


_NAMED: tuple[Instrument, ...] = (
    Instrument("cello", "cello", "bowed", _several({42: 1}, 36, 76)),
    Instrument("clarinet", "clarinet", "winds", _several({71: 1}, 50, 91)),
    Instrument("flute", "flute", "winds", _several({73: 1}, 60, 96)),
    Instrument("acoustic_guitar", "acoustic_guitar", "guitar", _several({24: 1, 25: 1}, 40, 81),
               sustains=False),
    Instrument("electric_guitar", "electric_guitar", "amplified",
               _several({26: 1, 27: 1.4, 28: 0.5, 29: 1.2, 30: 1.2, 31: 0.3}, 40, 86), sustains=False),
    Instrument("organ", "organ", "organ", _several({16: 1.2, 17: 1, 18: 1.2, 19: 1.2, 20: 0.6}, 36, 96)),
    Instrument("piano", "piano", "keys", _several({0: 3, 1: 2, 2: 0.4, 3: 0.3}, 21, 108), sustains=False,
               pedal=True),
    Instrument("saxophone", "saxophone", "winds", (
        Program(64, 0.7, 56, 88), Program(65, 1.2, 49, 81), Program(66, 1.2, 44, 76),
        Program(67, 0.7, 36, 69))),
    Instrument("trumpet", "trumpet", "brass", _several({56: 1, 59: 0.4}, 54, 86)),
    Instrument("violin", "violin", "bowed", _several({40: 10, 44: 1, 45: 1}, 55, 100)),
    Instrument("voice", "voice", "voice", _several({52: 1, 53: 0.8, 54: 0.15}, 45, 81)),
    Instrument("drums", "drums", "kit",
               _several({0: 3, 8: 2, 16: 2, 24: 1, 25: 1, 32: 2, 40: 1.5, 48: 0.5}, 35, 81),
               sustains=False, bank=KIT_BANK),
    Instrument("bass", "bass", "bass", _several(
        {32: 2, 33: 2, 34: 1.5, 35: 1, 36: 0.7, 37: 0.7, 38: 0.7, 39: 0.7, 43: 0.6}, 28, 60), sustains=False),
)  # fmt: skip

_OTHER: tuple[Instrument, ...] = (
    _one("oboe", "winds", 68, 58, 91), _one("english_horn", "winds", 69, 52, 81),
    _one("bassoon", "winds", 70, 34, 72), _one("piccolo", "winds", 72, 74, 105),
    _one("recorder", "winds", 74, 60, 93), _one("pan_flute", "winds", 75, 60, 91),
    _one("blown_bottle", "winds", 76, 55, 84), _one("shakuhachi", "winds", 77, 55, 86),
    _one("whistle", "winds", 78, 72, 100), _one("ocarina", "winds", 79, 60, 88),
    _one("horn", "brass", 60, 41, 77), _one("trombone", "brass", 57, 40, 72),
    _one("tuba", "brass", 58, 28, 58),
    _one("brass_section", "brass", 61, 43, 84), _one("viola", "bowed", 41, 48, 84),
    _one("harp", "plucked", 46, 28, 100, sustains=False),
    _one("harpsichord", "plucked", 6, 36, 89, sustains=False),
    _one("celesta", "mallets", 8, 60, 104, sustains=False),
    _one("glockenspiel", "mallets", 9, 79, 108, sustains=False),
    _one("music_box", "mallets", 10, 60, 96, sustains=False),
    _one("vibraphone", "mallets", 11, 53, 89, sustains=False),
    _one("marimba", "mallets", 12, 45, 96, sustains=False),
    _one("xylophone", "mallets", 13, 65, 108, sustains=False),
    _one("tubular_bells", "mallets", 14, 60, 77, sustains=False),
    _one("dulcimer", "plucked", 15, 50, 84, sustains=False),
    _one("accordion", "reeds", 21, 48, 91), _one("harmonica", "reeds", 22, 60, 91),
    _one("bagpipe", "reeds", 109, 55, 79), _one("shanai", "winds", 111, 55, 84),
    _one("sitar", "plucked", 104, 48, 79, sustains=False),
    _one("banjo", "plucked", 105, 48, 81, sustains=False),
    _one("shamisen", "plucked", 106, 50, 79, sustains=False),
    _one("koto", "plucked", 107, 48, 84, sustains=False),
    _one("kalimba", "mallets", 108, 55, 86, sustains=False),
    _one("steel_drums", "mallets", 114, 52, 84, sustains=False),
    _one("timpani", "timpani", 47, 36, 57, sustains=False),
    Instrument("synth_lead", "other", "synth", _several({80: 1, 81: 1, 82: 1, 83: 1, 86: 1, 87: 1}, 40, 88)),
    Instrument("synth_pad", "other", "synth",
               _several({88: 1, 89: 1, 90: 1, 92: 1, 93: 1, 94: 1, 95: 1}, 40, 84)),
    Instrument("sound_effect", "other", "effects",
               _several({96: 1, 121: 1, 122: 1, 123: 1, 124: 1, 125: 1, 126: 1, 127: 1}, 48, 72)),
)  # fmt: skip

#: For notes alone: programs that no label fits (see above), where only the pitch is asked for.
SECTIONS: tuple[Instrument, ...] = (
    Instrument("string_ensemble", "other", "bowed", _several({48: 1.5, 49: 1.5, 50: 0.7, 51: 0.5}, 30, 96)),
    Instrument(
        "electric_piano", "other", "keys", _several({4: 1, 5: 1}, 28, 100), sustains=False, pedal=True
    ),
    Instrument("clavinet", "other", "keys", _several({7: 1}, 36, 89), sustains=False),
    Instrument("fiddle", "other", "bowed", _several({110: 1}, 55, 96)),
)

#: Every instrument by name: the thirteen named classes first, then those labelled ``other``.
ORCHESTRA: dict[str, Instrument] = {instrument.name: instrument for instrument in (*_NAMED, *_OTHER)}


def find(name: str) -> Instrument:
    """The instrument of this name. Raises ``UnknownName`` with the nearest one."""
    return lookup(ORCHESTRA, name, "instrument")


def labelled(label: str) -> tuple[Instrument, ...]:
    """Every instrument that teaches ``label``, in the table's order (empty for an unknown label)."""
    return tuple(instrument for instrument in ORCHESTRA.values() if instrument.label == label)

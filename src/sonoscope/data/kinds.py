"""What is a kind of what: the instruments and sounds that label schemes speak of, by one name each.

``electric_guitar`` is a ``guitar``, and so is ``acoustic_guitar``, and neither is the other: that is all that
:mod:`~sonoscope.data.schemes` needs to know. A thing may be of two kinds (a double bass is a bass and a string
instrument). Players of one instrument together (``violin_section``) are a kind of it.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Other names -> the one used here.
SAME: Mapping[str, str] = {
    "cymbal": "cymbals", "distorted_guitar": "distorted_electric_guitar", "drum_kit": "drum_set", "fiddle": "violin",
    "horn": "french_horn", "kick_drum": "bass_drum", "mallet": "mallet_percussion", "percussion": "drums",
    "percussive": "drums", "sax": "saxophone", "singing": "voice", "string": "strings", "strings_continued": "strings",
    "string_ensemble": "string_section", "toms": "tom", "violin_or_fiddle": "violin", "vocal": "voice",
    "vocals": "voice", "cor_anglais": "english_horn", "birds": "bird", "chirping_birds": "bird",
    "insects": "insect_buzz", "upright_bass": "double_bass", "contrabass": "double_bass",
    "synth": "synthesizer", "chromatic_percussion": "mallet_percussion",
}  # fmt: skip

_KINDS: Mapping[str, tuple[str, ...]] = {
    "guitar": ("acoustic_guitar", "electric_guitar", "lap_steel_guitar"),
    "acoustic_guitar": ("nylon_guitar", "steel_guitar"),
    "electric_guitar": ("clean_electric_guitar", "distorted_electric_guitar"),
    "bass": ("double_bass", "electric_bass", "synth_bass"),
    "voice": ("female_singer", "male_singer", "male_rapper", "vocalists", "choir"),
    "saxophone": ("soprano_saxophone", "alto_saxophone", "tenor_saxophone", "baritone_saxophone"),
    "clarinet": ("bass_clarinet", "clarinet_section"),
    "flute": ("flute_section",),
    "violin": ("violin_section",),
    "viola": ("viola_section",),
    "cello": ("cello_section",),
    "trumpet": ("trumpet_section",),
    "trombone": ("trombone_section",),
    "french_horn": ("french_horn_section",),
    "piano": ("tack_piano",),
    "organ": ("drawbar_organ", "church_organ"),
    "keyboard": ("piano", "electric_piano", "harpsichord", "clavinet"),
    "strings": ("violin", "viola", "cello", "double_bass", "string_section"),
    "brass": ("trumpet", "trombone", "tuba", "french_horn", "brass_section"),
    "reed": ("saxophone", "clarinet", "oboe", "english_horn", "bassoon"),
    "pipe": ("flute", "piccolo", "recorder", "pan_flute", "whistle", "ocarina"),
    "mallet_percussion": ("vibraphone", "marimba", "xylophone", "glockenspiel"),
    "synthesizer": ("synth_lead", "synth_pad"),
    "cymbals": ("hi_hat",),
    "drums": (
        "drum_set", "drum_machine", "cymbals", "snare_drum", "bass_drum", "tom", "tambourine", "cowbell", "timpani",
        "bongo", "tabla", "mridangam", "darbuka", "doumbek", "shaker", "auxiliary_percussion", "claps",
    ),
    "insect_buzz": ("bee", "honey_bee", "bumble_bee", "fly", "mosquito"),
    "bird": ("crow", "rooster", "hen"),
    "engine": ("aircraft", "airplane", "helicopter", "car_engine", "motor"),
}  # fmt: skip

#: Name -> what it is a kind of, directly.
ABOVE: Mapping[str, tuple[str, ...]] = {
    name: tuple(kind for kind, below in _KINDS.items() if name in below)
    for name in sorted({name for below in _KINDS.values() for name in below})
}

#: General MIDI programs, counted from 0, in runs: (last program of the run, name).
_PROGRAMS: tuple[tuple[int, str], ...] = (
    (3, "piano"), (5, "electric_piano"), (6, "harpsichord"), (7, "clavinet"), (8, "celesta"), (9, "glockenspiel"),
    (10, "music_box"), (11, "vibraphone"), (12, "marimba"), (13, "xylophone"), (14, "tubular_bells"),
    (15, "dulcimer"), (20, "organ"), (21, "accordion"), (22, "harmonica"), (23, "accordion"),
    (24, "nylon_guitar"), (25, "steel_guitar"), (28, "clean_electric_guitar"), (30, "distorted_electric_guitar"),
    (31, "electric_guitar"), (32, "double_bass"), (37, "electric_bass"), (39, "synth_bass"), (40, "violin"),
    (41, "viola"), (42, "cello"), (43, "double_bass"), (45, "string_section"), (46, "harp"), (47, "timpani"),
    (49, "string_section"), (51, "synthesizer"), (53, "choir"), (54, "synthesizer"), (55, "orchestra_hit"),
    (56, "trumpet"), (57, "trombone"), (58, "tuba"), (59, "trumpet"), (60, "french_horn"), (61, "brass_section"),
    (63, "synthesizer"), (64, "soprano_saxophone"), (65, "alto_saxophone"), (66, "tenor_saxophone"),
    (67, "baritone_saxophone"), (68, "oboe"), (69, "english_horn"), (70, "bassoon"), (71, "clarinet"),
    (72, "piccolo"), (73, "flute"), (74, "recorder"), (75, "pan_flute"), (76, "blown_bottle"), (77, "shakuhachi"),
    (78, "whistle"), (79, "ocarina"), (87, "synth_lead"), (95, "synth_pad"), (103, "sound_effects"),
    (104, "sitar"), (105, "banjo"), (106, "shamisen"), (107, "koto"), (108, "kalimba"), (109, "bagpipe"),
    (110, "violin"), (111, "shanai"), (119, "drums"), (127, "sound_effects"),
)  # fmt: skip


def one_name(label: str) -> str:
    """The name used here for a label of any scheme: lower case, words joined by ``_``, synonyms resolved.

    >>> one_name("Violin_or_fiddle"), one_name("French horn"), one_name("sax")
    ('violin', 'french_horn', 'saxophone')
    """
    plain = "_".join(label.strip().lower().replace("-", " ").replace("_", " ").split())
    return SAME.get(plain, plain)


def kinds_of(name: str) -> list[set[str]]:
    """What a thing is a kind of, by distance: its direct kinds first, then theirs."""
    found: list[set[str]] = []
    now = set(ABOVE.get(name, ()))
    while now:
        found.append(now)
        now = {above for kind in now for above in ABOVE.get(kind, ())}
    return found


def of_program(program: int) -> str:
    """The name of a General MIDI program, counted from 0.

    >>> of_program(0), of_program(27), of_program(42)
    ('piano', 'clean_electric_guitar', 'cello')

    Raises
    ------
    ValueError
        If it is not in 0..127.
    """
    if not 0 <= program <= 127:
        raise ValueError(f"program={program} must lie in 0..127, counted from 0")
    return next(name for last, name in _PROGRAMS if program <= last)


def program_of(name: str) -> int | None:
    """The first General MIDI program that is a name of any scheme, or a kind of it, counted from 0; None without any.

    >>> program_of("cello"), program_of("French horn"), program_of("acoustic_guitar"), program_of("rain")
    (42, 60, 24, None)
    """
    plain = one_name(name)
    firsts = [0, *(last + 1 for last, _ in _PROGRAMS[:-1])]
    programs = [(first, program) for first, (_, program) in zip(firsts, _PROGRAMS, strict=True)]
    itself = (first for first, program in programs if program == plain)
    kinds = (first for first, program in programs if any(plain in above for above in kinds_of(program)))
    return next(itself, next(kinds, None))

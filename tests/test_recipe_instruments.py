"""What the recipe of `instruments` draws: guitars, singers and samplers in tune, mixtures that are stated whole."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import yaml

from sonoscope.labels import IRMAS

RECIPE = Path(__file__).parents[1] / "recipes" / "instruments"
RATE = 24_000


def module_of(name: str) -> ModuleType:
    """A file of the recipe that needs none beside it, as a module."""
    spec = importlib.util.spec_from_file_location(f"instruments_{name}", RECIPE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def strings() -> ModuleType:
    return module_of("strings")


@pytest.fixture(scope="module")
def singing() -> ModuleType:
    return module_of("singing")


@pytest.mark.parametrize("electric", [True, False])
def test_a_drawn_guitar_plays_the_note_that_is_written(strings: ModuleType, electric: bool) -> None:
    rng = np.random.default_rng(5)
    for pitch in (45, 57, 64):
        sound = strings.note(strings.draw_guitar(rng, electric=electric), pitch, 90, 1.0, RATE, rng)
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 8 * RATE))
        f0 = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        around = slice(round(0.92 * f0 * 8), round(1.08 * f0 * 8))
        found = (around.start + spectrum[around].argmax()) / 8
        assert abs(12.0 * np.log2(found / f0)) < 0.35, "a string is a few cents out of tune, no more"


def test_a_drawn_guitar_dies_away(strings: ModuleType) -> None:
    rng = np.random.default_rng(6)
    for electric in (True, False):
        sound = strings.note(strings.draw_guitar(rng, electric=electric), 52, 100, 2.0, RATE, rng)
        quarter = sound.size // 4
        assert np.isfinite(sound).all()
        assert np.square(sound[-quarter:]).sum() < 0.5 * np.square(sound[:quarter]).sum()


def test_a_singers_pitch_settles_on_the_note_within_its_vibrato(singing: ModuleType) -> None:
    rng = np.random.default_rng(3)
    for pitch, before_hz in ((57, 0.0), (64, 220.0), (50, 330.0)):
        singer = singing.draw_singer(rng)
        cents = 1200.0 * np.log2(singing.contour(singer, pitch, before_hz, 300, rng) / midi_hz(pitch))
        assert np.abs(np.median(cents[150:])) < 60.0
        assert np.ptp(cents[200:]) < 2.0 * singer.vibrato_cents + 60.0
    glide = 1200.0 * np.log2(singing.contour(singer, 64, midi_hz(62), 300, rng) / midi_hz(64))
    assert glide[0] == pytest.approx(-200.0, abs=50.0), "a note begins where the one before it was"


def midi_hz(pitch: int) -> float:
    return 440.0 * 2.0 ** ((pitch - 69) / 12.0)


def test_a_held_syllable_stretches_its_vowel_and_nothing_else(singing: ModuleType) -> None:
    voiced = np.array([False] * 10 + [True] * 60 + [False] * 8)
    frames = singing.held(voiced, 300)
    assert len(frames) == 300
    np.testing.assert_array_equal(frames[:20], np.arange(20))
    np.testing.assert_array_equal(frames[-17:], np.arange(61, 78))
    assert (np.diff(frames) >= 0).all()
    assert len(singing.held(voiced, 20)) == 20 and len(singing.held(np.zeros(30, dtype=bool), 90)) == 90


def test_a_melody_is_the_uppermost_line_without_overlaps(singing: ModuleType) -> None:
    from sonoscope.data.rendering import music, orchestra

    score = music.compose(orchestra.find("voice"), np.random.default_rng(2), 9.0, texture="chords")
    line = singing.melody(score)
    assert len(line) > 2
    assert all(note.offset_s <= after.onset_s for note, after in itertools.pairwise(line))
    for note in line:
        together = [n.pitch for n in score.notes if abs(n.onset_s - note.onset_s) < 0.005]
        assert note.pitch == max(together)


def test_a_sung_score_sounds_at_its_pitches(singing: ModuleType) -> None:
    pytest.importorskip("pyworld", reason="pip install pyworld 'setuptools<81'")
    if shutil.which("espeak-ng") is None:
        pytest.skip("apt install espeak-ng")
    from sonoscope.data.rendering.music import NoteEvent

    rng = np.random.default_rng(8)
    notes = [NoteEvent(0.2, 1.7, 57, 90), NoteEvent(2.0, 3.5, 62, 90)]
    samples = singing.sing(singing.draw_singer(rng), notes, RATE, rng)
    pitch, _, _ = singing.analysed(samples, RATE)
    for note in notes:
        heard = pitch[round((note.onset_s + 0.7) * 200) : round((note.offset_s - 0.3) * 200)]
        assert np.median(heard[heard > 0]) == pytest.approx(midi_hz(note.pitch), rel=0.04)


@pytest.fixture(scope="module")
def solos() -> ModuleType:
    return module_of("solos")


def collection_of_notes(root: Path, origins: dict[str, str], *, pitches: range) -> Path:
    """A collection of plucked pianos: a sine that dies away after a tenth of a second of silence, for each pitch."""
    rows = ["path,labels,origin,fold,trainable,source,duration_s,pitch_midi"]
    for origin, fold in origins.items():
        (root / origin).mkdir(parents=True)
        for pitch in pitches:
            time_s = np.arange(2 * RATE) / RATE
            note = 0.4 * np.sin(2 * np.pi * midi_hz(pitch) * time_s) * np.exp(-2.0 * time_s)
            sound = np.concatenate([np.zeros(RATE // 10), note]).astype(np.float32)
            soundfile.write(root / origin / f"{pitch}.wav", sound, RATE)
            rows.append(f"{origin}/{pitch}.wav,piano,{origin},{fold},yes,{origin},2.1,{pitch}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def test_recorded_notes_play_a_score_in_tune_and_in_time(solos: ModuleType, tmp_path: Path) -> None:
    from sonoscope.data.rendering import compositions
    from sonoscope.data.rendering.music import NoteEvent

    data = collection_of_notes(tmp_path, {"upright": "B"}, pitches=range(45, 76, 3))
    (library,) = solos.libraries(data, ())
    notes = [NoteEvent(0.5, 1.0, 58, 90), NoteEvent(1.5, 2.0, 65, 90), NoteEvent(1.5, 2.0, 70, 90)]
    rng = np.random.default_rng(4)
    samples = solos.play(library, compositions.as_score(notes, (), 3.0), RATE, rng)
    assert np.abs(samples).max() == pytest.approx(0.5)
    assert (
        not samples[: round(0.49 * RATE)].any() and np.abs(samples[round(0.5 * RATE) :][:2400]).max() > 0.05
    )
    assert not samples[round(1.42 * RATE) : round(1.49 * RATE)].any(), "at its end a note fades"
    for start_s, pitches in ((0.55, (58,)), (1.55, (65, 70))):
        part = samples[round(start_s * RATE) :][: round(0.4 * RATE)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size), 8 * RATE))
        for pitch in pitches:
            around = slice(round(0.95 * midi_hz(pitch) * 8), round(1.05 * midi_hz(pitch) * 8))
            found = (around.start + spectrum[around].argmax()) / 8
            assert abs(12.0 * np.log2(found / midi_hz(pitch))) < 0.5


def test_a_library_is_played_in_its_fold_and_a_poor_one_not_at_all(solos: ModuleType, tmp_path: Path) -> None:
    data = collection_of_notes(
        tmp_path, {"grand": "A", "upright": "B", "heard": "C"}, pitches=range(48, 72, 4)
    )
    made = list(solos.sampled(tmp_path / "out", data, {"chords": 2, "tunes": 1}, ("heard",), RATE))
    assert [(stem.fold, stem.labels, stem.real) for stem in made] == [(f, ("piano",), True) for f in "AABB"]
    before = [stem.path.read_bytes() for stem in made]
    made[0].path.unlink()
    again = list(solos.sampled(tmp_path / "out", data, {"chords": 2, "tunes": 1}, ("heard",), RATE))
    assert [stem.path.read_bytes() for stem in again] == before
    few = collection_of_notes(tmp_path / "few", {"toy": "A"}, pitches=range(60, 60 + solos.LEAST_NOTES - 1))
    assert not solos.libraries(few, ())


def test_compositions_to_learn_from_and_for_tests_are_apart(solos: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "midi").mkdir()
    for number in range(10):
        (tmp_path / "midi" / f"{number}.mid").touch()
    learnt, tested = solos.compositions_of(tmp_path), solos.compositions_of(tmp_path, tests=True)
    assert len(learnt) == 7 and len(tested) == 3 and not set(learnt) & set(tested)


def test_the_stated_mixtures_are_of_two_instruments_of_one_fold() -> None:
    with open(RECIPE / "pairs.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["fold"] for row in rows) == dict.fromkeys("ABCD", 150)
    known = {label.id for label in IRMAS}
    for row in rows:
        assert (
            len(labels := row["labels"].split(";")) == 2 and set(labels) <= known and labels[0] != labels[1]
        )
        assert -6.0 <= float(row["gain_db"]) <= 6.0
        assert 0.0 <= float(row["start_first_s"]) < 3.0 and 0.0 <= float(row["start_second_s"]) < 3.0


def module_among(name: str) -> ModuleType:
    """A file of the recipe that needs those beside it; they are forgotten again: other recipes call theirs alike."""
    beside = ("card", "extra", "hard", "singing", "solos", "strings")
    kept = {each: sys.modules.pop(each) for each in beside if each in sys.modules}
    sys.path.insert(0, str(RECIPE))
    try:
        return module_of(name)
    finally:
        sys.path.remove(str(RECIPE))
        for each in beside:
            sys.modules.pop(each, None)
        sys.modules.update(kept)


@pytest.fixture(scope="module")
def hard() -> ModuleType:
    return module_among("hard")


def test_moments_that_fool_a_model_are_apart_and_worst_first(hard: ModuleType) -> None:
    labels = ("cello", "other", "violin")
    starts_s = np.arange(40) * 0.5
    scores = np.full((40, 3), 0.01, dtype=np.float32)
    scores[:, 1] = 0.99  # however sure of `other` it is
    scores[10, 0], scores[11, 2], scores[30, 2], scores[39, 0] = 0.6, 0.8, 0.9, hard.LEAST - 0.01
    assert list(hard.moments(scores, starts_s, labels)) == [(15.0, "violin"), (5.5, "violin")]
    assert not list(hard.moments(np.zeros((0, 3)), np.zeros(0), labels))


def test_what_a_model_is_tried_on_follows_from_its_number(hard: ModuleType) -> None:
    for number in (0, 4):
        kind, samples = hard.drawn(number, RATE)
        again, same = hard.drawn(number, RATE)
        assert kind == again and np.array_equal(samples, same)
        assert samples.shape == (12 * RATE,) and np.isfinite(samples).all() and np.abs(samples).max() > 0


def test_what_is_reported_on_is_not_heard() -> None:
    """Each training leaves out what it is measured by, and its rows alone."""
    pytest.importorskip("torch")
    build = module_among("build")
    rows = [
        {"key": key, "group": key.split("/")[0], "fold": fold}
        for key, fold in (
            ("gmbank/cello_3", ""), ("fluidr3/cello_3", ""), ("vcsl/gmbank/a.wav", "B"), ("fsdd_speech/7.wav", "C"),
        )
    ]  # fmt: skip
    alike = yaml.safe_load((RECIPE / "recipe.yaml").read_text())["alike"]
    heard = {
        fold: [row["key"] for row in rows if build.heard_by(fold, alike)(row)]
        for fold in ("final", "twin", "unheard", "B")
    }
    every = [row["key"] for row in rows]
    assert heard["final"] == every
    assert heard["twin"] == every[1:]
    assert heard["unheard"] == every[:3]
    assert heard["B"] == [*every[:2], every[3]]


@pytest.fixture(scope="module")
def rebuild() -> ModuleType:
    return module_of("rebuild")


def test_every_step_waits_for_steps_that_there_are_and_never_for_itself(rebuild: ModuleType) -> None:
    steps = rebuild.steps("data", "stems", "work", 2, seeds=3)
    done: set[str] = set()
    left = list(steps)
    while left:
        ready = [step for step in left if done.issuperset(step.after)]
        assert ready, f"in a circle, or for what is not there: {[step.name for step in left]}"
        done |= {step.name for step in ready}
        left = [step for step in left if step.name not in done]
    assert len(done) == len(steps)
    for step in steps:
        script = next((word for word in step.command if word.endswith(".py")), None)
        assert script is None or Path(script).is_file()


def test_networks_alone_and_together_are_apart_in_the_table_of_seeds() -> None:
    figures = {"0": 0.7, "0+1": 0.8, "1": 0.6, "0+2": 0.9}
    rows = {
        name: {"top1": value, "map": value, "map_with_negatives": value, "recall": {"flute": value}}
        for name, value in figures.items()
    }
    head, _, top1, *_ = module_of("card").seeds_table(rows).splitlines()
    assert head == "| figure | one network, mean ± SD | two together, mean ± SD | 0 | 1 | 0+1 | 0+2 |"
    assert top1 == "| macro top-1 | 0.650 ± 0.071 | 0.850 ± 0.071 | 0.700 | 0.600 | 0.800 | 0.900 |"


@pytest.mark.parametrize(
    "name",
    (
        "pairs",
        "bands",
        "pianos",
        "solos",
        "fonts",
        "damaged",
        "alarms",
        "found",
        "scaling",
        "seeds",
        "finetune",
    ),
)
def test_the_committed_results_make_the_tables_of_the_page(name: str) -> None:
    card, result = module_of("card"), json.loads((RECIPE / "results" / f"{name}.json").read_text())
    if name == "fonts":
        table = "\n\n".join(card.font_table(font, one) for font, one in result.items())
    else:
        table = getattr(card, f"{name}_table")(result)
    page = (RECIPE.parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    assert page.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0].strip() == table.strip()


def test_a_rebuilding_goes_on_where_it_stopped_and_leaves_out_what_waits_for_a_failure(
    rebuild: ModuleType, tmp_path: Path
) -> None:
    said = tmp_path / "said"

    def step(name: str, code: str, *after: str) -> object:
        write = f"open({str(said)!r}, 'a').write({name!r}); {code}"
        return rebuild.Step(name, (sys.executable, "-c", write), after)

    steps = [step("c", "", "b"), step("a", ""), step("b", "raise SystemExit(1)", "a"), step("d", "", "a")]
    assert rebuild.run_all(steps, tmp_path, 2) == 1
    assert sorted(said.read_text()) == ["a", "b", "d"]
    steps[2] = step("b", "", "a")
    assert rebuild.run_all(steps, tmp_path, 1) == 0
    assert said.read_text()[3:] == "bc"
    assert (tmp_path / "log" / "c.txt").is_file()

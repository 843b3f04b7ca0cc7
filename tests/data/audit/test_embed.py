"""Rows as embeddings: the model's own, a decode per file, silence left out, and nothing heard twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.data import clips
from sonoscope.data.audit import embed
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.models.bundle import Bundle

RATE = 24_000


def test_windows_are_those_of_the_model(made: Manifest, embedded: Embeddings) -> None:
    result = sonoscope.load("instruments").analyze(made.path_of(made.rows[7]), embeddings=True)
    own = embedded.owner == 7
    np.testing.assert_array_equal(embedded.vectors[own], result.embeddings)
    np.testing.assert_array_equal(embedded.start_s[own], result.scores.start_s)
    assert embedded.end_s[own][-1] == pytest.approx(1.2)
    assert embedded.rows == tuple(range(len(made)))


def test_a_file_is_decoded_once_for_all_its_rows(
    tmp_path: Path, bundle: Bundle, make: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    whole = np.concatenate([make("sine", 2.0, 440.0, rng), make("hiss", 2.0, 440.0, rng)])
    soundfile.write(tmp_path / "a.wav", whole, RATE)
    soundfile.write(tmp_path / "b.wav", whole[2 * RATE :], RATE)
    opened = []

    class Counting(clips.Decoder):
        def __init__(self, recording: object, **options: object) -> None:
            opened.append(recording)
            super().__init__(recording, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(clips, "Decoder", Counting)
    rows = (Row("a.wav", 0.0, 2.0), Row("a.wav", 2.0, 2.0), Row("b.wav"))
    found = embed.embed(Manifest(rows, tmp_path), bundle)
    assert len(opened) == 2
    # The second part of one file is scored as the other file, which holds just that.
    vectors = found.of_rows()
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-4)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.1


def test_what_is_silent_does_not_count(
    tmp_path: Path, bundle: Bundle, make: Callable[..., np.ndarray]
) -> None:
    tone = make("sine", 3.0, 500.0, np.random.default_rng(0))
    soundfile.write(tmp_path / "tone.wav", tone, RATE)
    soundfile.write(tmp_path / "fading.wav", np.concatenate([tone, np.zeros(6 * RATE)]), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(2 * RATE), RATE)
    rows = tuple(Row(f"{name}.wav") for name in ("tone", "fading", "silent"))
    found = embed.embed(Manifest(rows, tmp_path), bundle)
    sounding = found.sounding()
    assert sounding[found.owner == 0].all()
    # Windows that begin before 3 s have sound in them.
    np.testing.assert_array_equal(sounding[found.owner == 1], found.start_s[found.owner == 1] < 3.0)
    assert not sounding[found.owner == 2].any()
    assert np.isfinite(found.of_rows()).all()
    heard = (found.owner == 1) & sounding
    weight = (found.end_s - found.start_s)[heard]
    np.testing.assert_allclose(found.of_rows()[1], np.average(found.vectors[heard], axis=0, weights=weight))


def test_only_what_changed_is_listened_to_again(
    tmp_path: Path, bundle: Bundle, make: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", make("saw", 1.0, 300.0, rng), RATE)
    rows = tuple(Row(f"{name}.wav", labels=("saw",)) for name in "abc")
    manifest, saved = Manifest(rows, tmp_path), tmp_path / "e.npz"
    first = embed.embed(manifest, bundle, saved=saved)
    embed.save(first, manifest, saved)

    def heard(rows: Manifest, bundle: Bundle = bundle) -> tuple[int, Embeddings]:
        counts = [0]
        found = embed.embed(rows, bundle, saved=saved, progress=lambda n, s: counts.append(n))
        return counts[-1], found

    # Other labels are the same sound.
    count, again = heard(replace(manifest, rows=tuple(replace(row, labels=()) for row in rows)))
    assert count == 0
    np.testing.assert_array_equal(again.vectors, first.vectors)
    np.testing.assert_array_equal(again.owner, first.owner)
    soundfile.write(tmp_path / "b.wav", make("hiss", 1.0, 300.0, rng), RATE)
    os.utime(tmp_path / "b.wav", ns=(1, 1))
    count, changed = heard(manifest)
    assert count == 1
    np.testing.assert_array_equal(changed.vectors[changed.owner == 2], first.vectors[first.owner == 2])
    assert np.abs(changed.of_rows()[1] - first.of_rows()[1]).max() > 0.1
    count, _ = heard(replace(manifest, rows=(*rows, Row("a.wav", 0.5, 0.5))))
    assert count == 2  # the new part, and b.wav, which was not saved again
    saved.write_bytes(b"no archive")
    assert heard(manifest)[0] == 3


def test_rows_that_cannot_be_used_are_told(tmp_path: Path, bundle: Bundle, made: Manifest) -> None:
    rows = (made.rows[0], Row("missing.wav"), replace(made.rows[1], start_s=5.0, duration_s=1.0))
    problems = []
    found = embed.embed(replace(made, rows=rows), bundle, report=problems.append)
    assert found.rows == (0,)
    assert [problem.path for problem in problems] == ["missing.wav", made.rows[1].path]
    with pytest.raises(UnreadableAudio, match=r"missing\.wav"):
        embed.embed(replace(made, rows=rows), bundle)


def test_a_model_without_embeddings_is_refused(made: Manifest, bundle: Bundle) -> None:
    outputs = {name: entry for name, entry in bundle.spec["outputs"].items() if name != "embedding"}
    without = replace(bundle, spec={**bundle.spec, "outputs": outputs})
    with pytest.raises(UsageError, match="gives no embeddings"):
        embed.embed(made, without)


def test_some_rows_can_be_taken(embedded: Embeddings) -> None:
    some = embedded.taken([3, 10, 11])
    assert some.rows == (3, 10, 11)
    np.testing.assert_allclose(some.of_rows(), embedded.of_rows()[[3, 10, 11]])


def test_an_audit_that_was_stopped_goes_on(made: Manifest, bundle: Bundle, tmp_path: Path) -> None:
    some = replace(made, rows=made.rows[:6])
    saved, heard = tmp_path / "e.npz", []

    def until_four(rows: int, seconds: float) -> None:
        heard.append(rows)
        if len(heard) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed.embed(some, bundle, progress=until_four, keep=lambda found: embed.save(found, some, saved))
    rest: list[int] = []
    found = embed.embed(some, bundle, saved=saved, progress=lambda rows, seconds: rest.append(rows))
    assert rest == [1, 2]
    whole = embed.embed(some, bundle)
    np.testing.assert_array_equal(found.vectors, whole.vectors)
    np.testing.assert_array_equal(found.owner, whole.owner)

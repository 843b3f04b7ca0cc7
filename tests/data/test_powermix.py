"""Mixing in mel powers: as mixing sounds would be, with the truth about who sounds, from allowed stems only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.mix.bank import Bank, Stem, build
from sonoscope.data.mix.powermix import MixSpec, PowerMix
from sonoscope.features import LogMel
from sonoscope.features.logmel import hz_to_mel, mel_to_hz

FEATURE = LogMel(sample_rate=8000, n_fft=512, hop_samples=80, n_mels=32, f_min_hz=60.0, f_max_hz=4000.0)
LABELS = ("cello", "flute", "drums", "other")
#: Nothing but stems, at their own loudness.
PLAIN = MixSpec(
    frames=60, sources=(1.0,), part_gain_db=(0.0, 0.0), level_db=(0.0, 0.0), equaliser_db=0.0, noise_share=0.0,
    band_limit_share=0.0, mask_share=0.0, noise_only_share=0.0, stitch_share=0.0, cut_share=0.0,
)  # fmt: skip


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * 8000))


def tone(band: int, seconds: float) -> np.ndarray:
    """A tone at the centre of a mel band."""
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(60.0), hz_to_mel(4000.0), 34))
    return 0.3 * np.sin(2 * np.pi * edges_hz[band + 1] * np.arange(round(seconds * 8000)) / 8000)


#: label, group, fold, real, band of its tone, seconds, unknown labels
SOUNDS = [
    ("cello", "lab", "A", True, 2, 2.0, ()),
    ("cello", "attic", "B", True, 5, 2.0, ()),
    ("cello", "font", "", False, 8, 2.0, ()),
    ("flute", "lab", "A", True, 14, 2.0, ("drums",)),
    ("flute", "font", "", False, 17, 0.3, ()),
    ("drums", "lab", "A", True, 22, 2.0, ()),
    ("other", "attic", "B", True, 28, 2.0, ("cello", "flute")),
]
BAND = {(label, group): band for label, group, *_, band, _, _ in SOUNDS}


class Watched(Bank):
    """A bank that remembers which items were taken from it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.taken: Counter[int] = Counter()

    def item(self, index: int) -> np.ndarray:
        self.taken[index] += 1
        return super().item(index)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    stems = []
    for label, group, fold, real, band, seconds, unknown in SOUNDS:
        path = root / f"{label}-{group}.wav"
        soundfile.write(path, tone(band, seconds).astype(np.float32), 8000, subtype="FLOAT")
        stems.append(Stem(path, path.name, (label,), unknown, label, group, fold, real))
    return build(root / "bank", stems, FEATURE).folder


@pytest.fixture
def bank(folder: Path) -> Watched:
    return Watched(folder)


def windows(mix: PowerMix, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return next(mix.batches(seed, n))


def sounding(frames: np.ndarray) -> set[tuple[str, str]]:
    """The stems whose band stands out in a window of tones."""
    loudest = frames.max(axis=0)
    return {who for who, band in BAND.items() if loudest[band] > loudest.max() - 20}


def test_powers_of_independent_sounds_add_up() -> None:
    one, other = 0.1 * noise(30, 1), 0.05 * noise(30, 2)
    together = 10 ** (FEATURE((one + other).astype(np.float32)) / 10)
    summed = sum(10 ** (FEATURE(part.astype(np.float32)) / 10) for part in (one, other))
    # The interference inside a band averages out over time ...
    error_db = 10 * np.log10(together.mean(axis=0) / summed.mean(axis=0))
    assert np.abs(error_db).max() < 0.6
    assert abs(error_db.mean()) < 0.1
    # ... and is this large in single cells.
    assert np.abs(10 * np.log10(together / summed)).mean() < 2.0
    # Sounds in different bands do not interfere at all.
    low, high = (FEATURE(tone(band, 1.0).astype(np.float32))[5:-5] for band in (3, 20))
    both = FEATURE((tone(3, 1.0) + tone(20, 1.0)).astype(np.float32))[5:-5]
    for band, alone in ((3, low), (20, high)):
        np.testing.assert_allclose(both[:, band], alone[:, band], atol=0.05)


def test_a_mixture_is_the_sum_of_its_parts_at_equal_loudness(bank: Watched) -> None:
    mix = PowerMix(bank, LABELS, replace(PLAIN, sources=(0.0, 1.0)))
    frames, targets, _ = windows(mix, 100)
    assert (targets.sum(axis=1) == 2).all()
    for window in frames:
        parts = sounding(window)
        assert len(parts) == 2
        # A stem's loudest frames have power 1; most of it lies in the tone's own band.
        for who in parts:
            assert window[:, BAND[who]].max() == pytest.approx(0.0, abs=4.0)


def test_targets_are_what_sounds(bank: Watched) -> None:
    mix = PowerMix(bank, LABELS, replace(PLAIN, sources=(0.4, 0.3, 0.3)))
    frames, targets, _ = windows(mix, 200)
    seen: Counter[str] = Counter()
    for window, target in zip(frames, targets, strict=True):
        labels = {label for label, _ in sounding(window)}
        assert {label for label, value in zip(LABELS, target, strict=True) if value} == labels
        seen.update(labels)
    assert set(seen) == set(LABELS)


def test_what_may_sound_is_not_judged(bank: Watched) -> None:
    mix = PowerMix(bank, LABELS, replace(PLAIN, sources=(0.5, 0.5)))
    frames, targets, judged = windows(mix, 200)
    unknown = {(label, group): set(names) for label, group, *_, names in SOUNDS}
    left_out = 0
    for window, target, mask in zip(frames, targets, judged, strict=True):
        doubtful = set().union(*(unknown[who] for who in sounding(window)))
        present = {label for label, value in zip(LABELS, target, strict=True) if value}
        assert {label for label, value in zip(LABELS, mask, strict=True) if not value} == doubtful - present
        left_out += bool(doubtful - present)
    assert left_out > 20


@pytest.mark.parametrize(
    "keep",
    [
        lambda row: row["fold"] != "A",
        lambda row: row["group"] != "attic",
        lambda row: row["real"] == "1",
        lambda row: "cello" not in row["labels"],
    ],
)
def test_what_is_left_out_is_never_taken(bank: Watched, keep: Callable[[dict], bool]) -> None:
    mix = PowerMix(bank, LABELS, replace(PLAIN, sources=(0.3, 0.4, 0.3), stitch_share=0.5), keep=keep)
    windows(mix, 400)
    allowed = {index for index, row in enumerate(bank.rows) if keep(row)}
    assert set(bank.taken) == allowed
    assert mix.drawable == {label for index in allowed for label in bank.rows[index]["labels"]}


def test_equal_seeds_give_equal_batches(bank: Watched) -> None:
    mix = PowerMix(bank, LABELS, MixSpec(frames=60))
    again = PowerMix(bank, LABELS, MixSpec(frames=60))
    one, other = mix.batches(3, 8), again.batches(3, 8)
    for _ in range(3):
        for a, b in zip(next(one), next(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert np.abs(windows(mix, 8, seed=3)[0] - windows(mix, 8, seed=4)[0]).max() > 1
    batches = mix.batches(5, 8)
    assert np.abs(next(batches)[0] - next(batches)[0]).max() > 1


def test_windows_have_their_shape_and_are_finite_and_above_the_floor(bank: Watched) -> None:
    frames, targets, judged = windows(PowerMix(bank, LABELS, MixSpec(frames=60)), 300)
    assert frames.shape == (300, 60, FEATURE.n_bins)
    assert targets.shape == judged.shape == (300, len(LABELS))
    assert frames.dtype == targets.dtype == judged.dtype == np.float32
    assert np.isfinite(frames).all()
    assert frames.min() >= FEATURE.silence - 1e-3
    for values in (targets, judged):
        assert set(np.unique(values)) == {0.0, 1.0}
    assert (judged[targets > 0] == 1).all()


def test_windows_of_nothing_are_silence_or_noise(bank: Watched) -> None:
    frames, targets, judged = windows(PowerMix(bank, LABELS, replace(PLAIN, noise_only_share=1.0)), 200)
    assert not bank.taken
    silent = (frames <= FEATURE.silence + 1e-3).all(axis=(1, 2))
    assert 0.15 < silent.mean() < 0.45
    assert not targets[silent].any()
    np.testing.assert_array_equal(targets[~silent], np.eye(4)[[3] * int((~silent).sum())])
    assert judged.all()


@pytest.mark.parametrize(("share", "expected"), [(1.0, {True}), (0.0, {False}), (0.5, {True, False})])
def test_recordings_and_renders_have_their_share(bank: Watched, share: float, expected: set[bool]) -> None:
    keep = lambda row: row["labels"] == ("cello",)  # noqa: E731
    windows(PowerMix(bank, LABELS, replace(PLAIN, real_share=share), keep=keep), 100)
    assert {bank.rows[index]["real"] == "1" for index in bank.taken} == expected


def test_weights_of_classes_are_their_shares(bank: Watched) -> None:
    spec = replace(PLAIN, classes={"cello": 6.0, "other": 2.0})
    _, targets, _ = windows(PowerMix(bank, LABELS, spec), 1000)
    # Binomial: three standard deviations of 1000 draws are at most 0.047.
    np.testing.assert_allclose(targets.mean(axis=0), [0.6, 0.1, 0.1, 0.2], atol=0.047)


def test_a_large_library_does_not_drown_a_small_one(tmp_path: Path) -> None:
    stems = []
    for number in range(17):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, tone(number, 1.0).astype(np.float32), 8000)
        group = "small" if number == 0 else "large"
        stems.append(Stem(path, path.name, ("cello",), (), "cello", group, "", True))
    bank = Watched(build(tmp_path / "bank", stems, FEATURE).folder)
    windows(PowerMix(bank, LABELS, PLAIN), 600)
    # Libraries are drawn by the root of their size: 1 to 4.
    assert bank.taken[0] / bank.taken.total() == pytest.approx(0.2, abs=0.05)


def test_level_and_equaliser_do_what_they_say(bank: Watched) -> None:
    plain, louder = (
        windows(PowerMix(bank, LABELS, replace(PLAIN, level_db=(x, x))), 20)[0] for x in (0.0, 13.0)
    )
    audible = plain > FEATURE.silence + 20
    np.testing.assert_allclose((louder - plain)[audible], 13.0, atol=1e-2)
    shaped = windows(PowerMix(bank, LABELS, replace(PLAIN, equaliser_db=6.0)), 20)[0]
    change = (shaped - plain)[audible]
    assert 2.0 < change.std() < 10.0
    assert abs(change.mean()) < 3.0


@pytest.mark.parametrize("change", [{"mask_share": 1.0}, {"band_limit_share": 1.0}])
def test_masks_and_band_limits_take_power_away(bank: Watched, change: dict) -> None:
    noisy = replace(PLAIN, noise_share=1.0, snr_db=(0.0, 0.0))
    plain, spoilt = (
        windows(PowerMix(bank, LABELS, spec), 1)[0] for spec in (noisy, replace(noisy, **change))
    )
    assert (spoilt <= plain + 1e-3).all()
    assert (spoilt < plain - 3).any()


def test_noise_has_the_level_that_is_asked_for(bank: Watched) -> None:
    def level_db(snr_db: float) -> float:
        spec = replace(PLAIN, noise_share=1.0, snr_db=(snr_db, snr_db))
        frames = windows(PowerMix(bank, LABELS, spec), 60)[0]
        quiet = np.median(frames, axis=2)
        return float(quiet.mean())

    assert level_db(0.0) - level_db(20.0) == pytest.approx(20.0, abs=4.0)


def test_even_noise_falls_evenly_with_the_octaves(bank: Watched) -> None:
    centres = mel_to_hz(np.linspace(hz_to_mel(60.0), hz_to_mel(4000.0), 34))[1:-1]
    octaves = np.log2(centres / 1000.0)

    def slopes_and_rest(share: float) -> tuple[np.ndarray, np.ndarray]:
        spec = replace(PLAIN, noise_only_share=1.0, even_noise_share=share)
        spectra = windows(PowerMix(bank, LABELS, spec), 80)[0].mean(axis=1)
        spectra = spectra[np.ptp(spectra, axis=1) > 0]  # not the silent ones
        lines = np.polyfit(octaves, spectra.T, 1)
        return lines[0], np.std(spectra.T - np.polyval(lines, octaves[:, None]), axis=0)

    slope, rest = slopes_and_rest(1.0)
    assert -9.0 < slope.min() < -5.0 and -1.0 < slope.max() < 3.0
    assert rest.max() < 3.5
    assert np.median(slopes_and_rest(0.0)[1]) > 3.5


def test_parts_are_transposed_within_the_range(bank: Watched) -> None:
    """A tone's loudest band moves by no more than the semitones asked for (and a band's width), up and down."""
    spec = replace(PLAIN, classes={"flute": 1.0, "cello": 0.0, "drums": 0.0, "other": 0.0}, shift_share=1.0)
    mix = PowerMix(bank, LABELS, replace(spec, shift_semitones=5.0), keep=lambda row: row["group"] == "lab")
    frames, _, _ = windows(mix, 60)
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(60.0), hz_to_mel(4000.0), 34))
    loudest = frames.max(axis=1).argmax(axis=1)
    semitones = 12.0 * np.log2(edges_hz[loudest + 1] / edges_hz[BAND["flute", "lab"] + 1])
    width = 12.0 * np.log2(edges_hz[BAND["flute", "lab"] + 1] / edges_hz[BAND["flute", "lab"]])
    assert np.abs(semitones).max() <= 5.0 + width
    assert semitones.min() < -2.0 and semitones.max() > 2.0


def test_who_transposes_nothing_draws_what_was_drawn_before(bank: Watched) -> None:
    """Without transposition its settings change no window: older recipes give the windows they gave."""
    frames, _, _ = windows(PowerMix(bank, LABELS, PLAIN), 10)
    again, _, _ = windows(PowerMix(bank, LABELS, replace(PLAIN, shift_semitones=9.0)), 10)
    np.testing.assert_array_equal(frames, again)


def test_what_accompanies_is_added_quietly_and_labelled(bank: Watched) -> None:
    spec = replace(PLAIN, classes={"drums": 0.0, "other": 0.0, "flute": 0.0}, backing_share=0.5)
    mix = PowerMix(bank, LABELS, replace(spec, backing=("drums", "bass"), backing_gain_db=(-9.0, -9.0)))
    frames, targets, _ = windows(mix, 400)
    assert (targets[:, LABELS.index("cello")] == 1).all()
    drums = targets[:, LABELS.index("drums")] == 1
    assert drums.mean() == pytest.approx(
        1 / 3, abs=0.08
    )  # half of the windows, two of three; no bass is at hand
    loudest = frames[:, :, BAND["drums", "lab"]].max(axis=1)
    np.testing.assert_allclose(loudest[drums], -9.0, atol=4.0)
    assert loudest[~drums].max() < -25.0


def test_who_has_no_accompaniment_draws_what_was_drawn_before(bank: Watched) -> None:
    frames, _, _ = windows(PowerMix(bank, LABELS, PLAIN), 10)
    again, _, _ = windows(PowerMix(bank, LABELS, replace(PLAIN, backing_gain_db=(-1.0, 0.0))), 10)
    np.testing.assert_array_equal(frames, again)

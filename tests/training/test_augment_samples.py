"""Augmentations of samples against physics, SciPy, and recomputation by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

torch = pytest.importorskip("torch")
from sonoscope.training.augment import AUGMENTATIONS, filtering  # noqa: E402
from sonoscope.training.augment.equalizer import Equalizer  # noqa: E402
from sonoscope.training.augment.low_pass import butterworth  # noqa: E402
from sonoscope.training.augment.noise import coloured  # noqa: E402
from sonoscope.training.augment.reverb import room  # noqa: E402
from sonoscope.training.augment.rolling import looped, windows  # noqa: E402
from sonoscope.training.augment.stretching import resampled, stretched  # noqa: E402
from sonoscope.training.batch import Batch  # noqa: E402

pytestmark = pytest.mark.train

RATE, N = 16_000, 32_000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(rows: int = 4, n: int = N) -> torch.Tensor:
    return 0.1 * torch.randn(rows, n, generator=rng(9))


def tones(*hz: float, n: int = N, rate: int = RATE) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * torch.tensor(hz)[:, None] * torch.arange(n) / rate)


def done(name: str, samples: torch.Tensor, seed: int = 0, lengths: list[int] | None = None, **parameters):
    """The samples after an augmentation of every row."""
    rows, n = samples.shape
    real = torch.tensor([n] * rows if lengths is None else lengths)
    batch = Batch(samples, real, torch.zeros(rows, 1), torch.ones(rows, 1), torch.arange(rows))
    return AUGMENTATIONS[name](sample_rate=RATE, share=1.0, **parameters)(batch, rng(seed)).samples


def level_db(samples: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(samples.double().square().mean(dim=-1))


def peak_hz(samples: torch.Tensor, rate: int = RATE) -> np.ndarray:
    """The frequency of the strongest bin of each row, by a parabola between bins."""
    window = torch.hann_window(samples.shape[1], periodic=False)
    spectrum = torch.fft.rfft(samples * window).abs().log().double().numpy()
    top = spectrum[:, 1:-1].argmax(axis=1) + 1
    left, here, right = (spectrum[np.arange(len(top)), top + k] for k in (-1, 0, 1))
    return (top + 0.5 * (left - right) / (left - 2 * here + right)) * rate / samples.shape[1]


# ---- level and sign ----------------------------------------------------------------------------------------


def test_gain_is_decibels_drawn_from_the_range() -> None:
    before = noise(300, 50)
    gains = level_db(done("gain", before, gain_db=[-12, 6])) - level_db(before)
    assert -12.01 < float(gains.min()) < -10.5
    assert 4.5 < float(gains.max()) < 6.01
    torch.testing.assert_close(done("gain", before, gain_db=20), before * 10)


def test_levels_are_normalised_and_padding_does_not_count() -> None:
    before = noise()
    peaks = done("normalise", before, level_db=-6).abs().amax(dim=1)
    torch.testing.assert_close(peaks, torch.full((4,), 10 ** (-6 / 20)))
    before[0, 8000:] = 0.0
    after = done("normalise", before, level_db=-20, by="rms", lengths=[8000, N, N, N])
    assert level_db(after[:1, :8000]).item() == pytest.approx(-20, abs=1e-3)
    np.testing.assert_allclose(level_db(after[1:]), -20, atol=1e-3)


def test_polarity_turns_the_sign() -> None:
    assert torch.equal(done("polarity", noise()), -noise())


def test_clipping_is_numpys() -> None:
    before = noise()
    level = before.abs().amax(dim=1, keepdim=True).numpy() / 2
    hard = done("clipping", before, below_db=20 * np.log10(2), soft=0)
    soft = done("clipping", before, below_db=20 * np.log10(2), soft=1)
    np.testing.assert_allclose(hard, np.clip(before.numpy(), -level, level), atol=1e-6)
    np.testing.assert_allclose(soft, level * np.tanh(before.numpy() / level), atol=1e-6)


# ---- noise -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_as_far_below_the_sound_as_asked(snr_db: float) -> None:
    before = tones(440, 880, 50, 3000)
    added = done("noise", before, snr_db=snr_db) - before
    np.testing.assert_allclose(level_db(before) - level_db(added), snr_db, atol=0.2)


@pytest.mark.parametrize(("slope", "db_an_octave"), [(0, 0), (-1, -3.01), (-2, -6.02), (1, 3.01), (2, 6.02)])
def test_noise_has_its_colour(slope: float, db_an_octave: float) -> None:
    samples = coloured(1 << 17, slope, RATE, rng()).numpy()
    hz, power = scipy.signal.welch(samples, RATE, nperseg=4096)
    kept = (hz > 100) & (hz < 7000)
    found = np.polyfit(np.log2(hz[kept]), 10 * np.log10(power[kept]), 1)[0]
    assert found == pytest.approx(db_an_octave, abs=0.15)
    assert samples.std() == pytest.approx(1.0, abs=1e-3)


def test_rows_have_different_noise() -> None:
    before = tones(*[440.0] * 6)
    added = done("noise", before, snr_db=0, colours="white") - before
    likeness = np.corrcoef(added.numpy()) - np.eye(6)
    assert np.abs(likeness).max() < 0.03


def test_background_is_a_part_of_the_folder(tmp_path: Path) -> None:
    recorded = np.random.default_rng(2).standard_normal(3 * N).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", recorded, RATE, subtype="FLOAT")
    (tmp_path / "notes.txt").write_text("no sound")
    before = tones(440, 660)
    added = done("background", before, folder=str(tmp_path), snr_db=10) - before
    np.testing.assert_allclose(level_db(before) - level_db(added), 10, atol=0.05)
    for row in added.numpy():
        found = scipy.signal.correlate(recorded, row, mode="valid", method="fft")
        place = int(np.abs(found).argmax())
        part = recorded[place : place + N]
        assert np.corrcoef(part, row)[0, 1] > 0.999
    short = done("background", before, folder=str(tmp_path), snr_db=10, most_s=0.5) - before
    assert bool((short.abs().amax(dim=1) > 0).all())


# ---- time --------------------------------------------------------------------------------------------------


def test_a_shift_is_numpys_roll_of_what_is_real() -> None:
    before = noise(2)
    before[0, 20_000:] = 0.0
    after = done("time_shift", before, shift_s=0.25, lengths=[20_000, N]).numpy()
    np.testing.assert_array_equal(after[0, :20_000], np.roll(before[0, :20_000].numpy(), 4000))
    np.testing.assert_array_equal(after[1], np.roll(before[1].numpy(), 4000))
    silent = done("time_shift", before, shift_s=-0.25, wrap=False).numpy()
    np.testing.assert_array_equal(silent[1, :-4000], before[1, 4000:].numpy())
    assert not silent[1, -4000:].any()
    slow = AUGMENTATIONS["time_shift"](sample_rate=RATE // 2, shift_s=0.25)
    assert slow.draw(3, N, rng())["shift"].tolist() == [2000] * 3


def test_inversion_is_numpys_of_what_is_real() -> None:
    before = noise(2)
    before[0, 20_000:] = 0.0
    after = done("time_inversion", before, lengths=[20_000, N]).numpy()
    np.testing.assert_array_equal(after[0, :20_000], before[0, :20_000].numpy()[::-1])
    np.testing.assert_array_equal(after[1], before[1].numpy()[::-1])


def test_a_mask_is_as_wide_as_asked_and_the_rest_stays() -> None:
    before = torch.ones(50, N)
    after = done("time_mask", before, width_s=0.2)
    silent = (after == 0).sum(dim=1)
    np.testing.assert_allclose((after < 1).sum(dim=1), 0.2 * RATE, atol=2)
    np.testing.assert_allclose(silent, 0.19 * RATE, atol=2)
    starts = (after == 0).float().argmax(dim=1)
    assert starts.max() - starts.min() > N / 3


@pytest.mark.parametrize("rate", [0.8, 1.25, 1.0])
def test_stretching_keeps_pitch_and_level_and_moves_time(rate: float) -> None:
    before = tones(220, 440, 1760)
    after = done("time_stretch", before, rate=rate)
    np.testing.assert_allclose(peak_hz(after), [220, 440, 1760], rtol=2e-3)
    np.testing.assert_allclose(level_db(after), level_db(before), atol=0.3)
    # A tone that begins after a second begins a rate-th of that later or earlier.
    late = before * (torch.arange(N) >= RATE)
    begins = (done("time_stretch", late, rate=rate).abs() > 0.1).float().argmax(dim=1)
    np.testing.assert_allclose(begins, min(RATE / rate, N), atol=0.03 * RATE)


def test_a_stretch_by_one_is_the_sound_itself() -> None:
    before = noise(2)
    found = stretched(before, torch.tensor([N, N]), torch.ones(2), RATE)
    torch.testing.assert_close(found[:, :1000], before[:, :1000])
    # Noise is like itself at its own place only, and that lies in what is searched.
    torch.testing.assert_close(found, before, atol=1e-6, rtol=0)


def test_what_is_too_short_goes_round() -> None:
    before = torch.zeros(1, N)
    before[0, :8000] = tones(440, n=8000)[0]
    after = stretched(before, torch.tensor([8000]), torch.tensor([1.5]), RATE, 8000)
    quarters = level_db(after.view(4, 2000))
    np.testing.assert_allclose(quarters, quarters.mean(), atol=1.0)


@pytest.mark.parametrize("semitones", [-12.0, -3.0, 4.0, 12.0])
def test_pitch_moves_by_semitones_and_time_stays(semitones: float) -> None:
    before = tones(220, 440, 1760)
    after = done("pitch_shift", before, semitones=semitones)
    np.testing.assert_allclose(peak_hz(after), np.array([220, 440, 1760]) * 2 ** (semitones / 12), rtol=2e-3)
    late = before * (torch.arange(N) >= RATE)
    begins = (done("pitch_shift", late, semitones=semitones).abs() > 0.1).float().argmax(dim=1)
    np.testing.assert_allclose(begins, RATE, atol=0.03 * RATE)


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.3])
def test_resampling_is_the_tone_at_another_rate(ratio: float) -> None:
    for hz, below_db in ((RATE / 8, -37), (RATE / 4, -25)):
        length = round(0.9 * N / max(ratio, 1.0))
        found = resampled(tones(hz), torch.tensor([ratio]), length)[0, 500:-500]
        time = torch.arange(500, length - 500) * ratio / RATE
        wanted = 0.5 * torch.sin(2 * torch.pi * hz * time.double())
        assert float(level_db(found - wanted) - level_db(wanted)) < below_db + 1


def test_what_would_fold_over_is_cut() -> None:
    after = resampled(tones(7000.0), torch.tensor([1.5]), 20_000)[:, 500:-500]
    assert float(level_db(after)) < -50


def test_windows_and_rounds_are_those_by_hand() -> None:
    samples = torch.arange(12.0).view(2, 6)
    assert looped(samples, torch.tensor([6, 4]), 9).tolist() == [
        [0, 1, 2, 3, 4, 5, 0, 1, 2],
        [6, 7, 8, 9, 6, 7, 8, 9, 6],
    ]
    assert windows(samples, torch.tensor([1, 3]), 2).tolist() == [[1, 2], [9, 10]]
    assert windows(samples, torch.tensor([[0, 1], [2, 3]]), 3).tolist() == [
        [[0, 1, 2], [1, 2, 3]],
        [[8, 9, 10], [9, 10, 11]],
    ]


# ---- filters -----------------------------------------------------------------------------------------------


def test_an_equalizer_is_scipys_cascade() -> None:
    before, rows = noise(), 4
    made = Equalizer(sample_rate=RATE, share=1.0)
    found = made.change(before, torch.full((rows,), N), made.draw(rows, N, rng(3)))
    sections = made.sections(rows, rng(3))
    for row in range(rows):
        sos = np.concatenate(
            [
                np.concatenate([each.b.expand(rows, 3), each.a.expand(rows, 3)], axis=1)[row : row + 1]
                for each in sections
            ]
        )
        sos /= sos[:, 3:4]
        wanted = scipy.signal.sosfilt(sos, before[row].numpy().astype(np.float64))
        np.testing.assert_allclose(found[row], wanted, atol=2e-5)


def test_bands_lift_what_they_say() -> None:
    w = 2 * torch.pi * torch.tensor([1000.0, 2000.0], dtype=torch.float64) / RATE
    gain = torch.tensor([6.0, -9.0], dtype=torch.float64)
    bell = filtering.peak(w, filtering.alpha_of_q(w, torch.ones(2)), gain)
    curve = 20 * torch.log10(filtering.response([bell], RATE).abs())
    assert curve[0, 1000] == pytest.approx(6.0)
    assert curve[1, 2000] == pytest.approx(-9.0)
    np.testing.assert_allclose(curve[:, [0, RATE // 2]], 0, atol=1e-9)


@pytest.mark.parametrize("order", [2, 8])
def test_a_low_pass_is_scipys_butterworth(order: int) -> None:
    hz = torch.tensor([1000.0, 3000.0, 6000.0])
    found = filtering.convolved(noise(3), butterworth(hz, order, RATE))
    for row, cutoff in enumerate(hz.tolist()):
        sos = scipy.signal.butter(order, cutoff, fs=RATE, output="sos")
        wanted = scipy.signal.sosfilt(sos, noise(3)[row].numpy().astype(np.float64))
        np.testing.assert_allclose(found[row], wanted, atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 500, 4096, 40_000])
@pytest.mark.parametrize("ahead", [0, 1])
def test_convolution_is_scipys(length: int, ahead: int) -> None:
    ahead *= length // 2
    samples, impulse = noise(3), noise(3, length)
    found = filtering.convolved(samples, impulse, ahead)
    for row in range(3):
        wanted = scipy.signal.fftconvolve(samples[row].double(), impulse[row].double())[ahead : ahead + N]
        np.testing.assert_allclose(found[row], wanted, atol=1e-5)


def test_a_band_is_what_is_left() -> None:
    after = done("band_pass", noise(2), centre_hz=1000, octaves=2)
    hz, power = scipy.signal.welch(after.numpy(), RATE, nperseg=1024)
    sides = [
        scipy.signal.butter(2, edge, kind, fs=RATE, output="sos")
        for edge, kind in ((500, "highpass"), (2000, "lowpass"))
    ]
    wanted = scipy.signal.sosfilt(np.concatenate(sides), noise(2)[1].numpy().astype(np.float64))
    np.testing.assert_allclose(after[1], wanted, atol=1e-5)
    assert 700 < hz[power[0].argmax()] < 1500


def test_minimum_phase_has_the_magnitude_and_comes_early() -> None:
    wanted = filtering.response([filtering.low_pass(torch.tensor([0.5]), torch.tensor([0.3]))], 4096).abs()
    wanted = wanted.clamp(min=1e-3)
    impulse = filtering.minimum_phase(wanted)
    np.testing.assert_allclose(torch.fft.rfft(impulse.double()).abs(), wanted, atol=1e-4)
    energy = impulse.square().cumsum(dim=1) / impulse.square().sum()
    assert float(energy[0, 100]) > 0.99


def test_a_codec_leaves_a_band_and_steps() -> None:
    after = done("codec", noise(2), cutoff_hz=3000, bits=6)
    hz, power = scipy.signal.welch(after.numpy(), RATE, nperseg=2048)
    assert (power[:, hz > 4500].mean(axis=1) < 0.05 * power[:, hz < 2500].mean(axis=1)).all()
    # 6 bits are 32 steps to each side of zero.
    assert all(len(np.unique(row.round(6))) <= 65 for row in after.numpy())


def test_a_room_falls_by_sixty_decibels_in_its_time() -> None:
    chance, rows = rng(1), 3
    rt60_s = torch.tensor([0.3, 0.6, 0.9])
    impulse = room(
        torch.randn(2, rows, 16_000, generator=chance), rt60_s, torch.ones(rows), torch.full((rows,), 0.01),
        torch.tensor([0.0, 6.0, 12.0]), RATE,
    ).double()  # fmt: skip
    np.testing.assert_allclose(impulse.square().sum(dim=1), 1.0, rtol=1e-5)
    direct, tail = impulse[:, 0].square(), impulse[:, 1:].square().sum(dim=1)
    np.testing.assert_allclose(10 * torch.log10(direct / tail), [0, 6, 12], atol=0.01)
    assert not impulse[:, 1:150].any()
    # Schroeder's backward integral falls straight: from -5 to -25 dB is a third of the time.
    for row, seconds in enumerate(rt60_s.tolist()):
        fall = impulse[row, 160:].square().flip(0).cumsum(0).flip(0)
        db = 10 * torch.log10(fall / fall[0])
        took = int((db > -25).sum()) - int((db > -5).sum())
        assert 3 * took / RATE == pytest.approx(seconds, rel=0.1)


def test_a_room_keeps_the_place_and_the_level() -> None:
    click = torch.zeros(4, N)
    click[:, 5000] = 1.0
    after = done("reverb", click, ratio_db=15)
    assert after.abs().argmax(dim=1).tolist() == [5000] * 4
    loud = done("reverb", noise(4))
    np.testing.assert_allclose(level_db(loud), level_db(noise(4)), atol=1.0)

"""Effects by SoX's names: the table is whole, and what SoX does is what happens, where SoX is at hand to compare."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
from sonoscope.errors import UnknownName, UsageError  # noqa: E402
from sonoscope.training.augment.sox import EFFECTS, REASONS, Sox  # noqa: E402
from sonoscope.training.augment.sox.words import Number, number  # noqa: E402
from sonoscope.training.batch import Batch  # noqa: E402

pytestmark = pytest.mark.train

RATE, N = 44_100, 44_100
#: The 58 names of the founding system's list: torchaudio.sox_effects.effect_names() of SoX 14.4.2.
NAMES = (
    "allpass band bandpass bandreject bass bend biquad chorus channels compand contrast dcshift deemph delay "
    "dither divide downsample earwax echo echos equalizer fade fir firfit flanger gain highpass hilbert "
    "loudness lowpass mcompand norm oops overdrive pad phaser pitch rate remix repeat reverb reverse "
    "riaa silence sinc speed stat stats stretch swap synth tempo treble tremolo trim upsample "
    "vad vol "
)
#: An example of each effect that there is.
EXAMPLES = {
    "allpass": "allpass 1000 200", "band": "band 1000 300", "bandpass": "bandpass 1000 400",
    "bandreject": "bandreject 1000 400h", "bass": "bass 9 150", "biquad": "biquad 0.2 0.3 0.1 1 -0.5 0.2",
    "chorus": "chorus 0.6 0.8 50 0.4 0.5 2 -s", "contrast": "contrast 60", "dcshift": "dcshift 0.1", "deemph": "deemph",
    "delay": "delay 0.1", "dither": "dither 8", "echo": "echo 0.8 0.7 60 0.4 150 0.3",
    "echos": "echos 0.8 0.7 60 0.4 150 0.3", "equalizer": "equalizer 2k 1.5q -8", "fade": "fade h 0.2 0 0.3",
    "fir": "fir 0.1 0.5 0.3 -0.2 0.05", "firfit": "firfit 100 0 1000 -6 5000 3", "flanger": "flanger 1 3 0 71 0.4",
    "gain": "gain -7", "highpass": "highpass 500", "hilbert": "hilbert", "lowpass": "lowpass 2k 0.9q",
    "norm": "norm -3", "overdrive": "overdrive 15 30", "pitch": "pitch 300", "reverb": "reverb 40",
    "reverse": "reverse", "riaa": "riaa", "sinc": "sinc 300-3k", "speed": "speed 1.1", "stretch": "stretch 1.1",
    "tempo": "tempo 1.2", "treble": "treble -9 4k", "tremolo": "tremolo 6 60", "vol": "vol -6dB",
}  # fmt: skip
#: Those that SoX computes by the same formula, and how far they may differ from it, full scale being 1.
EXACT = {
    "allpass": 1e-5, "band": 1e-5, "bandpass": 1e-5, "bandreject": 1e-5, "bass": 1e-5, "biquad": 1e-5,
    "contrast": 1e-5, "dcshift": 1e-5, "delay": 1e-6, "echo": 1e-5, "equalizer": 1e-5, "fade": 1e-3,
    "fir": 1e-5, "gain": 1e-5, "highpass": 1e-5, "lowpass": 1e-5, "norm": 1e-5, "overdrive": 1e-4, "reverse": 1e-6,
    "treble": 1e-5, "vol": 1e-5,
}  # fmt: skip
#: Those that it designs by another method: the spectrum agrees to so many decibels between two frequencies.
BY_SPECTRUM = {"deemph": (0.3, 50, 15_000), "riaa": (0.5, 50, 15_000), "firfit": (1.0, 150, 15_000),
               "sinc": (0.1, 500, 2500), "hilbert": (0.5, 300, 20_000)}  # fmt: skip


def music(rows: int = 1, n: int = N) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    time = torch.arange(n) / RATE
    tones = sum(torch.sin(2 * torch.pi * hz * time) for hz in (220.0, 554.4, 1760.0)) * 0.1
    return tones + 0.05 * torch.randn(rows, n, generator=chance)


def done(effects: str | list[str], samples: torch.Tensor | None = None, rate: int = RATE, seed: int = 0):
    samples = music() if samples is None else samples
    rows, n = samples.shape
    batch = Batch(
        samples, torch.full((rows,), n), torch.zeros(rows, 1), torch.ones(rows, 1), torch.arange(rows)
    )
    made = Sox(sample_rate=rate, effects=effects, share=1.0)
    return made(batch, torch.Generator().manual_seed(seed)).samples


@pytest.fixture
def sox(tmp_path: Path):
    """What SoX itself makes of samples, cut or filled to their length."""
    program = shutil.which("sox")
    if program is None:
        pytest.skip("SoX is not installed")

    def run(effect: str, samples: torch.Tensor) -> np.ndarray:
        before, after = tmp_path / "before.wav", tmp_path / "after.wav"
        soundfile.write(before, samples.numpy(), RATE, subtype="FLOAT")
        subprocess.run([program, "-D", before, "-e", "float", "-b", "32", after, *effect.split()], check=True)
        found, _ = soundfile.read(after)
        return np.pad(found[:N], (0, max(N - len(found), 0)))

    return run


def test_each_of_the_58_names_is_an_effect_or_has_its_reason() -> None:
    names = NAMES.split()
    assert len(names) == len(set(names)) == 58
    assert set(EFFECTS) | set(REASONS) == set(names)
    assert not set(EFFECTS) & set(REASONS)
    assert all(len(reason) > 20 for reason in REASONS.values())
    assert set(EXAMPLES) == set(EFFECTS)


def test_the_document_lists_all_of_them() -> None:
    text = (Path(__file__).parents[2] / "docs" / "augment.md").read_text(encoding="utf-8")
    page = text.partition("## SoX's effects by name")[2]
    for name, kind in EFFECTS.items():
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        assert row, name
        assert kind.usage in row[1], f"{name}: {kind.usage}"
    for name in REASONS:
        assert re.search(rf"^\| `{name}` \| not here:", page, re.MULTILINE), name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_effect_changes_sound_and_keeps_its_length(name: str) -> None:
    before = music(2)
    after = done(EXAMPLES[name], before)
    assert after.shape == before.shape
    assert bool(torch.isfinite(after).all())
    assert float((after - before).abs().max()) > 1e-3


@pytest.mark.parametrize("name", EXACT)
def test_it_is_what_sox_computes(name: str, sox) -> None:
    found = done(EXAMPLES[name])[0].numpy()
    wanted = sox(EXAMPLES[name], music()[0])
    np.testing.assert_allclose(found, wanted, atol=EXACT[name], rtol=0)


@pytest.mark.parametrize("name", BY_SPECTRUM)
def test_it_has_the_spectrum_that_sox_gives(name: str, sox, tmp_path: Path) -> None:
    tolerance, low, high = BY_SPECTRUM[name]
    text = EXAMPLES[name]
    if name == "firfit":  # SoX takes the knots from a file
        (tmp_path / "knots").write_text("100 0\n1000 -6\n5000 3\n")
    words = {"firfit": f"firfit {tmp_path / 'knots'}", "sinc": "sinc -n 2047 300-3k"}
    click = torch.zeros(1, N)
    click[:, N // 2] = 0.5
    ours, theirs = done(text, click)[0].numpy(), sox(words.get(name, text), click[0])
    hz = np.fft.rfftfreq(N, 1 / RATE)
    kept = (hz > low) & (hz < high)
    db = [20 * np.log10(np.abs(np.fft.rfft(each))[kept] + 1e-9) for each in (ours, theirs)]
    assert np.abs(db[0] - db[1]).max() < tolerance
    assert abs(int(np.abs(ours).argmax()) - int(np.abs(theirs).argmax())) <= 2


def test_tremolo_and_flanger_swing() -> None:
    steady = torch.full((1, N), 0.5)
    swings = done("tremolo 5 60", steady)[0]
    assert float(swings.max()) == pytest.approx(0.5, abs=1e-3)
    assert float(swings.min()) == pytest.approx(0.2, abs=1e-3)
    assert int(((swings[1:] >= 0.35) & (swings[:-1] < 0.35)).sum()) in (4, 5)
    click = torch.zeros(1, N)
    click[:, 1000] = 1.0
    late = done("flanger 3 0 0 100 0.5", click)[0]
    assert late[1000].item() == pytest.approx(0.5)
    assert late[1000 + 132 : 1000 + 134].sum().item() == pytest.approx(0.5, abs=1e-4)
    voices = done("chorus 0.5 1 20 0.4 0.25 0 40 0.3 0.25 0", click)[0]
    assert voices[[1000, 1000 + 882, 1000 + 1764]].tolist() == pytest.approx([0.5, 0.4, 0.3], abs=1e-3)


def test_an_echo_of_an_echo_is_as_late_as_both() -> None:
    click = torch.zeros(1, N)
    click[:, 0] = 1.0
    taps = done("echos 0.8 0.5 60 0.4 150 0.3", click)[0]
    places = torch.nonzero(taps.abs() > 1e-5)[:, 0]
    assert places.tolist() == [0, 2646, 6615, 9261]
    assert taps[places].tolist() == pytest.approx([0.4, 0.2, 0.15, 0.15], abs=1e-6)


def test_ranges_are_drawn_for_every_row_and_numbers_are_not() -> None:
    before = torch.full((200, 64), 0.1)
    gains = 20 * torch.log10(done("gain -12..6", before)[:, 0] / 0.1)
    assert -12.01 < float(gains.min()) < -10.5
    assert 4.5 < float(gains.max()) < 6.01
    assert len(set(done("gain 3", before)[:, 0].tolist())) == 1
    assert number("1k..2.5k", "") == Number(1000.0, 2500.0)
    assert number("-6..-.5dB", "") == Number(-6.0, -0.5, "dB")


def test_a_chain_is_its_effects_one_after_another() -> None:
    before = music()
    together = done(["bass 6", "overdrive 10 10", "gain -6"], before)
    apart = done("gain -6", done("overdrive 10 10", done("bass 6", before)))
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bas 6", "unknown effect of sox 'bas'. Did you mean 'bass'?"),
        ("", "unknown effect of sox ''"),
        ("remix 1", "there is no 'remix' here: it needs two channels"),
        ("trim 0 1", "there is no 'trim' here: it changes the length"),
        ("bass", "bass takes gain frequency=100 width=0.5s, got nothing"),
        ("bass 1 2 3 4", "bass takes gain .*, got 1 2 3 4"),
        ("echo 0.8 0.7 60", "echo takes gain_in gain_out delay... decay..., got"),
        ("gain loud", "gain: 'loud' is no number such as 3k"),
        ("gain 3x", "gain: '3x' is no number"),
        ("gain 6..-6", "the range '6..-6' must ascend"),
        ("tempo 20", "tempo: factor=20 must lie in 0.1..10"),
        ("flanger 0 2 50", "flanger: regen=50 must lie in 0..0"),
        ("firfit 100 0", "at least two frequencies must ascend, got 100"),
        ("firfit 100 0 90 1", "must ascend, got 100 90"),
        ("fade t 1 2 1", "fade: stop=2 must lie in 0..0"),
        ("reverb 120", "reverb: reverberance=120..120 must lie in 0..100"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises((UnknownName, UsageError), match=said):
        Sox(sample_rate=RATE, effects=text)


def test_a_chain_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="must name at least one, such as"):
        Sox(sample_rate=RATE, effects=[])

"""The bench beyond single sounds: two instruments at once, and what fires where no instrument sounds.

    python recipes/instruments/wider.py pairs --data DATA --work WORK     # the fold models of build.py
    python recipes/instruments/wider.py alarms --data DATA --work WORK    # the shipped bundle, and one that never …
    python recipes/instruments/wider.py alarms --sounds FOLDER …          # … keeps the synthesised sounds in FOLDER
    python recipes/instruments/wider.py found --data DATA --work WORK     # what quiet costs
    python recipes/instruments/wider.py scaling --data DATA --work WORK   # calibrations apart or together
    python recipes/instruments/wider.py bands --data DATA --work WORK     # the shipped bundle, a twin: whole bands

``pairs``: 3 s of two recordings of two of the eleven instruments, from one fold, scored by the model that never heard
that fold. Which, from where and how loud is drawn from a seed and listed in ``pairs.csv``.

``alarms``: speech by espeak-ng, noise and scenes, 66 minutes made from a seed, none of which any model is trained on,
through the shipped bundle; and the labelled everyday, speech and field sounds through a model of the same recipe that
heard none of their libraries (``build.py … fold unheard``). An alarm is an event of a label other than ``other``.

``found``: alarms in the synthesised sounds, and the share of the bench's clips in which their own label has an event by
the model that never heard their fold, by the rules as shipped and by others.

``bands``: 200 pieces of 12 s for two to five instruments, composed from a seed and played by the soundfont TimGM6mb,
through the twin of the shipped bundle (``build.py … fold twin``), which never heard any of its samples, and through
the shipped one.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import build
import card
import numpy as np
import soundfile

import sonoscope
from sonoscope.audio import decode
from sonoscope.data import scenes
from sonoscope.data.datasets import collection
from sonoscope.data.mix.levels import loudness_db
from sonoscope.data.scenes import noises
from sonoscope.data.scenes.compose import SceneSpec, compose
from sonoscope.evaluation.detector import poisson_limits
from sonoscope.evaluation.metrics import average_precision

HERE = Path(__file__).parent
PAIRS = HERE / "pairs.csv"
SHIPPED = HERE.parents[1] / "src" / "sonoscope" / "bundles" / "instruments"
RATE = 24_000
SECONDS = 3.0
#: How much higher than shipped thresholds are, and the shortest event (None: as shipped).
RULES = {
    "shipped": (0.0, None), "shortest events kept": (0.0, 0.0), "0.1 higher": (0.1, None), "0.2 higher": (0.2, None),
}  # fmt: skip
#: Mixtures in each fold.
PER_FOLD = 150
COLUMNS = ("fold", "first", "second", "labels", "start_first_s", "start_second_s", "gain_db")
#: Pieces for several instruments.
PIECES = 200
#: Minutes of each kind of synthesised sound, in recordings of one minute.
MINUTES = card.MINUTES_OF_SEED // 3


# ---- two instruments at once -------------------------------------------------------------------------------


def draw_pairs(data: Path, seed: int = 0) -> None:
    """Write ``pairs.csv``: instruments first, then libraries, then clips, each equally likely."""
    clips = [
        c
        for c in collection.read(data)
        if c.fold and c.label in build.ELEVEN and c.source != "fluidr3_rendered"
    ]
    rng = np.random.default_rng(seed)
    rows = []
    for fold in build.FOLDS:
        by_label: dict[str, dict[str, list[collection.Clip]]] = {}
        for clip in clips:
            if clip.fold == fold and clip.duration_s >= 0.8:
                by_label.setdefault(clip.label, {}).setdefault(clip.origin, []).append(clip)
        names = sorted(by_label)
        for _ in range(PER_FOLD):
            pair, starts = [], []
            for name in rng.choice(names, size=2, replace=False):
                origin = rng.choice(sorted(by_label[name]))
                clip = by_label[name][origin][rng.integers(len(by_label[name][origin]))]
                pair.append(clip)
                starts.append(f"{rng.uniform(0.0, max(SECONDS - clip.duration_s, 0.0)):.3f}")
            labels = ";".join(clip.label for clip in pair)
            rows.append(
                (fold, *(clip.key for clip in pair), labels, *starts, f"{rng.uniform(-6.0, 6.0):.2f}")
            )
    with open(PAIRS, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def mixed(row: dict[str, str], data: Path) -> np.ndarray:
    """The 3 s of one row, float32: the second as loud as stated against the first."""
    out = np.zeros(round(SECONDS * RATE), dtype=np.float32)
    reference = 0.0
    for which in ("first", "second"):
        samples, _ = decode.read(data / row[which], sample_rate=RATE)
        start = round(float(row[f"start_{which}_s"]) * RATE)
        part = samples[: out.size - start]
        level = loudness_db(part, RATE)
        if which == "first":
            reference, gain = level, 1.0
        else:
            gain = 10.0 ** ((reference + float(row["gain_db"]) - level) / 20.0)
        out[start : start + part.size] += np.float32(gain) * part
    return out / max(1.0, float(np.abs(out).max()) / 0.97)


def run_pairs(data: Path, work: Path) -> dict[str, Any]:
    """AP of each instrument over the mixtures of a fold, the mean over folds; mAP is the mean over instruments."""
    if not PAIRS.is_file():
        draw_pairs(data)
    with open(PAIRS, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    precisions: dict[str, list[float]] = {name: [] for name in build.ELEVEN}
    both = []
    for fold in build.FOLDS:
        model = sonoscope.load(str(work / f"fold-{fold}" / "bundle"))
        ours = [row for row in rows if row["fold"] == fold]
        scores = []
        for row in ours:
            clip = model.analyze(mixed(row, data), sample_rate=RATE).clip()
            scores.append([clip[name] for name in build.ELEVEN])
        table = np.array(scores)
        truth = np.array([[name in row["labels"].split(";") for name in build.ELEVEN] for row in ours])
        top2 = np.argsort(-table, axis=1)[:, :2]
        both += [bool(t[k].all()) for t, k in zip(truth, top2, strict=True)]
        for k, name in enumerate(build.ELEVEN):
            if truth[:, k].any():
                precisions[name].append(average_precision(truth[:, k], table[:, k]))
    each = {name: round(float(np.mean(values)), 4) for name, values in precisions.items()}
    result = {
        "mixtures": len(rows),
        "map": round(float(np.mean(list(each.values()))), 4),
        "average_precision": each,
        "both_first": round(float(np.mean(both)), 4),
    }
    write("pairs", result, card.pairs_table(result))
    return result


# ---- false alarms ------------------------------------------------------------------------------------------


def noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A minute of noise: coloured, in a band or not, steady or swelling, with hum or clicks now and then."""
    count = round(seconds * RATE)
    sound = noises.coloured(rng, count, float(rng.uniform(-9.0, 1.0)), sample_rate=RATE)
    if rng.random() < 0.4:
        low = float(np.exp(rng.uniform(np.log(60.0), np.log(2_000.0))))
        sound = noises.band(sound, RATE, low, min(low * float(rng.uniform(2.0, 12.0)), 11_000.0))
    if rng.random() < 0.5:
        sound = sound * 10.0 ** (
            noises.drift(rng, count, RATE, per_s=float(rng.uniform(0.1, 3.0))) * 6.0 / 20.0
        )
    sound = sound / (np.std(sound) + 1e-12)
    time_s = np.arange(count) / RATE
    if rng.random() < 0.3:
        mains = float(rng.choice([50.0, 60.0]))
        sound += 0.5 * sum(np.sin(2 * np.pi * mains * h * time_s) / h for h in (1, 2, 3, 4, 6))
    if rng.random() < 0.3:
        clicks = np.zeros(count)
        clicks[rng.integers(count, size=int(rng.integers(5, 200)))] = rng.uniform(2.0, 20.0)
        sound += clicks
    return noises.levelled(sound, RATE, float(rng.uniform(-60.0, -20.0)))


def synthesised(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and samples of each minute; the same seed makes the same sounds (with the same espeak-ng)."""
    spec = SceneSpec(
        60.0,
        RATE,
        {
            "bird_song": 60.0,
            "bird_call": 60.0,
            "wing_beat": 60.0,
            "engine": 40.0,
            "thunder": 10.0,
            "tool": 40.0,
        },
    )
    for minute in range(MINUTES):
        rng = np.random.default_rng((seed, minute))
        parts = [scenes.make("speech", int(rng.integers(1 << 31)), 12.0, RATE) for _ in range(5)]
        yield "speech", np.concatenate(parts).astype(np.float32)
        yield "noise", np.asarray(noise(rng, 60.0), dtype=np.float32)
        yield "scenes", compose(spec, int(rng.integers(1 << 31))).samples


def recorded(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The real everyday, speech and field sounds: instruments and singing of the same libraries are not among them."""
    kinds = {"berklee_olpc": "everyday", "field_events": "field", "fsdd_speech": "speech"}
    for clip in collection.read(data):
        if clip.origin in build.UNHEARD and (clip.origin != "berklee_olpc" or clip.name == "other"):
            yield kinds[clip.origin], decode.read(clip.path, sample_rate=RATE)[0]


def count_alarms(model: Any, sounds: Iterator[tuple[str, np.ndarray]], **rule: Any) -> dict[str, Any]:
    """Events of labels other than ``other`` by a rule, per kind of sound, with the hours listened to."""
    hours: Counter[str] = Counter()
    alarms: dict[str, Counter[str]] = {}
    windows: Counter[str] = Counter()
    as_other: Counter[str] = Counter()
    for kind, samples in sounds:
        result = model.analyze(samples, sample_rate=RATE, **rule)
        hours[kind] += samples.size / RATE / 3600.0
        alarms.setdefault(kind, Counter()).update(e.label for e in result.events if e.label != "other")
        windows[kind] += len(result.scores.probabilities)
        column = list(result.scores.labels).index("other")
        as_other[kind] += int((result.scores.probabilities.argmax(axis=1) == column).sum())
    answer = {}
    for kind in (*hours, "all"):
        counts = sum(alarms.values(), Counter()) if kind == "all" else alarms[kind]
        total, time = sum(counts.values()), sum(hours.values()) if kind == "all" else hours[kind]
        low, high = poisson_limits(total)
        first = (
            sum(as_other.values()) / sum(windows.values())
            if kind == "all"
            else as_other[kind] / windows[kind]
        )
        answer[kind] = {
            "minutes": round(60 * time, 1),
            "alarms": total,
            "per_hour": round(total / time, 2),
            "limits_95": [round(low / time, 2), round(high / time, 2)],
            "other_first": round(first, 3),
            "by_label": dict(counts.most_common()),
        }
    return answer


def run_alarms(data: Path, work: Path, sounds: Path | None, seed: int) -> dict[str, Any]:
    """Both tables, apart."""
    made = synthesised(seed)
    if sounds is not None:
        made = kept(made, sounds)
    result = {"synthesised": count_alarms(sonoscope.load(str(SHIPPED)), made)}
    about = json.loads((SHIPPED / "bundle.json").read_text(encoding="utf-8"))
    shipped = {label: entry["threshold"] for label, entry in about["decision"]["labels"].items()}
    if (work / "fold-unheard" / "averaged.pt").is_file():
        unheard = build.write_unheard(build.Recipe(HERE / "recipe.yaml", work, data))
        result["recorded"] = count_alarms(sonoscope.load(str(unheard)), recorded(data), threshold=shipped)
    else:
        # Fold C holds the library of the everyday sounds; every model heard the others.
        everyday = ((kind, samples) for kind, samples in recorded(data) if kind == "everyday")
        result["recorded"] = count_alarms(
            sonoscope.load(str(work / "fold-C" / "bundle")), everyday, threshold=shipped
        )
    write("alarms", result, card.alarms_table(result))
    return result


def run_found(data: Path, work: Path, seed: int) -> dict[str, Any]:
    """What thresholds and the shortest length of an event cost, and what they bring."""
    model = sonoscope.load(str(SHIPPED))
    found = shares_found(data, work)
    result = {
        name: {
            "alarms": count_alarms(model, synthesised(seed), **_rule(model, higher, least_s))["all"],
            "found": found[name],
        }
        for name, (higher, least_s) in RULES.items()
    }
    write("found", result, card.found_table(result))
    return result


def _rule(model: Any, higher: float, least_s: float | None) -> dict[str, Any]:
    """A model's own thresholds, so much higher, and its own shortest length or another, as ``analyze`` takes them."""
    own = model.bundle.thresholds
    raised = {label: min(value + higher, 0.99) for label, value in own.items()}
    return {"threshold": raised if higher else None, "min_duration": least_s}


def shares_found(data: Path, work: Path) -> dict[str, float]:
    """Clips of the eleven in which the clip's own label has an event; mean over libraries, then labels; for each rule.

    A fold's clips are decided by what was fitted on the other folds.
    """
    recipe = build.Recipe(HERE / "recipe.yaml", work, data)
    shares: dict[str, dict[str, dict[str, list[bool]]]] = {name: {} for name in RULES}
    for fold in build.FOLDS:
        model = sonoscope.load(str(work / f"fold-{fold}" / "bundle"))
        for clip in build.bench_clips(recipe):
            if clip.fold == fold and clip.label in build.ELEVEN:
                heard = model.analyze(str(clip.path))
                for name, (higher, least_s) in RULES.items():
                    events = heard.decide(**_rule(model, higher, least_s)).events
                    hit = any(event.label == clip.label for event in events)
                    shares[name].setdefault(clip.label, {}).setdefault(clip.origin, []).append(hit)
    return {
        name: float(
            np.mean([np.mean([np.mean(hits) for hits in origins.values()]) for origins in of.values()])
        )
        for name, of in shares.items()
    }


def run_scaling(data: Path, work: Path) -> dict[str, Any]:
    """How far each label's calibration should be its own: log loss on the fold that the fit has not seen."""
    recipe = build.Recipe(HERE / "recipe.yaml", work, data)
    result = {}
    for own in (0.0, 0.25, 0.5, 0.75, 1.0):
        recipe.settings["decision"]["own_scale"] = own
        losses = []
        for fold in build.FOLDS:
            scaling, _ = build.calibrate(recipe, tuple(f for f in build.FOLDS if f != fold))
            table = build.unheard(recipe, fold)
            for k in np.flatnonzero(table["present"]):
                known = table["judged"][:, k] > 0
                scale = scaling[build.IDS[k]]
                logits = scale["slope"] * table["logits"][known, k] + scale["offset"]
                truth = table["targets"][known, k]
                losses.append((fold, float(np.mean(np.logaddexp(0.0, logits) - truth * logits))))
        folds = {f: round(float(np.mean([loss for at, loss in losses if at == f])), 4) for f in build.FOLDS}
        result[f"{own:g}"] = {"folds": folds, "mean": round(float(np.mean(list(folds.values()))), 4)}
    write("scaling", result, card.scaling_table(result))
    return result


# ---- whole bands -------------------------------------------------------------------------------------------


def run_bands(recipe: build.Recipe, seed: int) -> dict[str, Any]:
    """What the twin finds in the pieces, and of what the shipped model finds, what all labels together give."""
    folder = recipe.work / f"bands-{seed}"
    rows = rendered_bands(folder, "timgm6mb", seed)
    result, shipped = (find_in_bands(model, folder, rows) for model in (build.write_twin(recipe), SHIPPED))
    result["shipped"] = {key: value for key, value in shipped.items() if key not in ("labels", "pieces")}
    write("bands", result, card.bands_table(result))
    return result


def rendered_bands(folder: Path, font: str, seed: int) -> list[dict[str, str]]:
    """The rows of the pieces of a seed, which are in the folder then."""
    words = ["--pieces", PIECES, "--duration", 12, "--soundfont", font, "--seed", seed, "-o", folder]
    command = [sys.executable, "-m", "sonoscope", "data", "render", *words]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def find_in_bands(
    bundle: Path, folder: Path, rows: list[dict[str, str]], without: Sequence[str] = ()
) -> dict[str, Any]:
    """AP of each label over the pieces; and of the labels that have an event, how many sound, and the reverse.

    Nobody is asked about labels ``without``.
    """
    model = sonoscope.load(str(bundle))
    names = [label for label in model.labels if label not in ("other", *without)]
    scores, told = [], []
    for row in rows:
        result = model.analyze(str(folder / row["path"]))
        clip, heard = result.clip(), {event.label for event in result.events}
        scores.append([clip[name] for name in names])
        told.append([name in heard for name in names])
    truth = np.array([[name in row["labels"].split(";") for name in names] for row in rows])
    table, events = np.array(scores), np.array(told)
    each = {
        name: {
            "ap": round(average_precision(truth[:, k], table[:, k]), 4),
            "precision": round(float(truth[events[:, k], k].mean()), 4) if events[:, k].any() else None,
            "recall": round(float(events[truth[:, k], k].mean()), 4),
        }
        for k, name in enumerate(names)
    }
    rng = np.random.default_rng(0)
    draws = [
        np.mean([average_precision(truth[at, k], table[at, k]) for k in range(len(names))])
        for at in rng.integers(len(rows), size=(1000, len(rows)))
    ]
    return {
        "pieces": len(rows),
        "map": round(float(np.mean([one["ap"] for one in each.values()])), 4),
        "interval_95": [round(float(v), 4) for v in np.quantile(draws, (0.025, 0.975))],
        "precision": round(float((truth & events).sum() / events.sum()), 4),
        "recall": round(float((truth & events).sum() / truth.sum()), 4),
        "labels": each,
    }


def kept(sounds: Iterator[tuple[str, np.ndarray]], folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The same sounds, which are also written."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, samples) in enumerate(sounds):
        soundfile.write(folder / f"{kind}-{number // 3:02d}.flac", samples, RATE, subtype="PCM_24")
        yield kind, samples


def write(name: str, result: dict[str, Any], table: str) -> None:
    """Keep the figures and put their table where the page has its place."""
    build.RESULTS.mkdir(exist_ok=True)
    (build.RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    card.put(build.DOCUMENT, name, table)
    print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("pairs", "alarms", "found", "scaling", "bands"))
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, help="keep the synthesised sounds here")
    # Seeds 0 and 1 were looked at when thresholds were set.
    parser.add_argument("--seed", type=int, default=2, help="of what is synthesised or composed")
    arguments = parser.parse_args()
    if arguments.step == "pairs":
        run_pairs(arguments.data, arguments.work)
    elif arguments.step == "alarms":
        run_alarms(arguments.data, arguments.work, arguments.sounds, arguments.seed)
    elif arguments.step == "scaling":
        run_scaling(arguments.data, arguments.work)
    elif arguments.step == "bands":
        run_bands(build.Recipe(HERE / "recipe.yaml", arguments.work, arguments.data), arguments.seed)
    else:
        run_found(arguments.data, arguments.work, arguments.seed)


if __name__ == "__main__":
    main()

"""Builds the bundle `instruments`: bank of stems, one model per left-out fold, calibration, bench, final model, card.

    python recipes/instruments/build.py --data DATA --stems STEMS --work WORK bank
    python recipes/instruments/build.py --data DATA --work WORK solos         # whole pieces for one instrument
    python recipes/instruments/build.py --data DATA --work WORK begin A       # … B, C, D: the phases before mine
    python recipes/instruments/build.py --data DATA --work WORK mine          # sounds that fool the model to be shipped
    python recipes/instruments/build.py --data DATA --work WORK fold A        # … B, C, D, unheard; --seed 1 too
    python recipes/instruments/build.py --data DATA --work WORK fold final    # trains on everything; --seed 1 too
    python recipes/instruments/build.py --data DATA --work WORK fold twin     # nothing of TimGM6mb; --seed 1 too
    python recipes/instruments/build.py --data DATA --work WORK score A       # … B, C, D: listens, as bench does too,
                                                                              # and says what comes of it uncalibrated
    python recipes/instruments/build.py --data DATA --work WORK bench         # calibrates and measures
    python recipes/instruments/build.py --data DATA --work WORK final         # writes the bundle

A model is several networks that were trained with different seeds and answer together (``members`` of the recipe).
DATA is the folder of labelled recordings with its manifest.csv, STEMS what `sonoscope data render` wrote (one folder
for each sound font). Every step leaves its result in WORK and can be interrupted; the folds are independent.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import card
import extra
import hard
import numpy as np
import solos
import torch
import yaml

from sonoscope import features, pipeline
from sonoscope.data.datasets import collection
from sonoscope.data.mix.bank import Bank, Joined, Stem, build
from sonoscope.data.mix.powermix import MixSpec, PowerMix
from sonoscope.evaluation import bench, calibration
from sonoscope.labels import INSTRUMENTS, IRMAS
from sonoscope.models.bundle import open_bundle
from sonoscope.models.runtime import Runtime
from sonoscope.networks.build import Network
from sonoscope.networks.ensemble import joined
from sonoscope.networks.export import write_bundle
from sonoscope.training.loop import TrainSpec, fit, statistics
from sonoscope.values import Recording

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENT = HERE.parents[1] / "docs" / "models.md"
FOLDS = ("A", "B", "C", "D")
#: The model that is shipped: no fold is left out.
FINAL = "final"
#: The same without the fonts that share samples with the one that is reported on.
TWIN = "twin"
IDS = tuple(label.id for label in INSTRUMENTS)
ELEVEN = tuple(label.id for label in IRMAS)
#: Libraries of everyday, speech and field sounds; the fold ``unheard`` leaves them out.
UNHEARD = ("berklee_olpc", "field_events", "fsdd_speech")
#: Windows drawn from each left-out fold to calibrate on: its recordings alone and mixed.
CALIBRATION_WINDOWS = 4000


class Recipe:
    """The settings and where things lie.

    ``seed`` is of what is trained, ``members`` are the seeds of the networks that answer together (none: the recipe's).
    """

    def __init__(
        self, settings: Path, work: Path, data: Path, seed: int = 0, members: Sequence[int] | None = None
    ) -> None:
        self.settings = yaml.safe_load(settings.read_text())
        self.work, self.data, self.seed = work, data, seed
        shipped = tuple(self.settings["members"])
        self.members = tuple(members or shipped)
        #: Where what the models answer lies.
        self.models = work if self.members == shipped else work / f"members-{self.together('-')}"
        self.feature = features.from_dict(self.settings["feature"])
        self.mix = MixSpec(**self.settings["mix"])

    def together(self, between: str = "+") -> str:
        """The members as one name."""
        return between.join(map(str, self.members))

    def trainings(self, seed: int) -> Path:
        """Where the networks of one seed are trained; all seeds learn from one bank."""
        return self.work if seed == 0 else self.work / f"seed-{seed}"

    def network(self, *, background_weight: float = 0.0) -> Network:
        """A fresh, untrained network, in which ``other`` lowers the labels by this weight."""
        torch.manual_seed(self.seed)
        settings = dict(self.settings["network"])
        if background_weight:
            rejecting = {"background": IDS.index("other"), "background_weight": background_weight}
            settings["head"] = {**settings["head"], **rejecting}
        return Network(self.feature.n_bins, len(IDS), **settings)

    @property
    def bank(self) -> Bank:
        """All stems."""
        return Bank(self.work / "bank")

    def bank_with(self, *, hard: int = 0, solos: bool = False) -> Bank:
        """All stems, what fooled a model in so many rounds of ``mine``, and whole pieces for one instrument."""
        further = [f"bank-hard-{number}" for number in range(1, hard + 1)] + ["bank-solos"] * solos
        return Joined(
            [(bank, lambda row: row) for bank in (self.bank, *(Bank(self.work / f) for f in further))]
        )


def collection_stems(recipe: Recipe) -> Iterator[Stem]:
    """The labelled clips; what is scarce gets more variants."""
    clips = collection.read(recipe.data)
    wanted = recipe.settings["variants"]
    count = Counter((clip.label, clip.origin) for clip in clips)
    for clip in clips:
        scarce = clip.label not in ("other", "") and count[clip.label, clip.origin] < wanted["scarce_below"]
        variants = (wanted["scarce"] if scarce else wanted["plain"]) if clip.trainable else 0
        yield Stem(
            clip.path, clip.key, (clip.label,) if clip.label else (), clip.unknown, clip.name, clip.origin, clip.fold,
            clip.source != "fluidr3_rendered", variants,
        )  # fmt: skip


def rendered_stems(recipe: Recipe, root: Path) -> Iterator[Stem]:
    """The rendered stems of the recipe's sound fonts."""
    for soundfont in recipe.settings["stems"]["soundfonts"]:
        with open(root / soundfont / "manifest.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield Stem(
                    root / soundfont / row["path"], f"{soundfont}/{row['path']}", tuple(row["labels"].split(";")), (),
                    row["instrument"], row["group"], "", False, recipe.settings["variants"]["rendered"],
                )  # fmt: skip


def extra_stems(recipe: Recipe) -> Iterator[Stem]:
    """What is rendered beside the fonts."""
    folder, rate = recipe.work / "extra", recipe.feature.sample_rate
    for stem in extra.stems(folder, recipe.settings["extra"], rate):
        plain = stem.key.startswith("sounds/")
        yield replace(stem, variants=0 if plain else recipe.settings["variants"]["rendered"])


def make_bank(recipe: Recipe, stems: Path, workers: int) -> None:
    """Compute every stem's mel powers."""
    wanted = recipe.settings["variants"]

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"bank: {done}/{total} stems", flush=True)

    build(
        recipe.work / "bank",
        [*collection_stems(recipe), *rendered_stems(recipe, stems), *extra_stems(recipe)],
        recipe.feature,
        overdrive=lambda stem: 0.5 if "electric_guitar" in stem.labels else wanted["overdrive"],
        coded=wanted["coded"],
        workers=workers,
        progress=show,
    )


def make_solos(recipe: Recipe) -> None:
    """The bank of whole pieces for one instrument."""
    counts, rate = recipe.settings["solos"], recipe.feature.sample_rate
    made = [
        *solos.sampled(recipe.work / "solos" / "sampled", recipe.data, counts, UNHEARD, rate),
        *solos.rendered(
            recipe.work / "solos", solos.compositions_of(recipe.data), counts["soundfonts"], rate
        ),
    ]
    stems = [replace(stem, variants=recipe.settings["variants"]["rendered"]) for stem in made]
    build(recipe.work / "bank-solos", stems, recipe.feature, coded=recipe.settings["variants"]["coded"])
    print("solos:", Counter(stem.labels[0] for stem in stems))


def train(recipe: Recipe, folder: Path, keep: Callable[[dict], bool], phases: list[dict]) -> None:
    """Fit a network in phases, each from the averaged weights of the one before; finished phases are not repeated.

    What is left in ``folder`` is the mean of what the last ``blend`` phases ended with.
    """
    network = recipe.network()
    for number, phase in enumerate(phases):
        within = folder / f"phase-{number + 1}"
        if not (within / "averaged.pt").is_file():
            without = tuple(phase.get("without", ()))
            mix = PowerMix(
                recipe.bank_with(hard=phase.get("hard", 0), solos=phase.get("solos", False)),
                IDS,
                replace(recipe.mix, **phase.get("mix", {})),
                keep=lambda row, without=without: keep(row) and not row["key"].startswith(without or "\0"),
            )
            if number == 0:
                network.set_normalisation(*statistics(mix))
            settings = {**recipe.settings["train"], **phase["train"], "seed": 100 * recipe.seed + number}
            fit(network, mix, TrainSpec(**settings), within)
        network = recipe.network()
        network.load_state_dict(torch.load(within / "averaged.pt", weights_only=True))
    last = range(len(phases), max(len(phases) - recipe.settings["blend"], 0), -1)
    ends = [torch.load(folder / f"phase-{number}" / "averaged.pt", weights_only=True) for number in last]
    blended = {
        key: torch.stack([end[key] for end in ends]).mean(dim=0) if value.is_floating_point() else value
        for key, value in ends[0].items()
    }
    torch.save(blended, folder / "averaged.pt")


def trainable(recipe: Recipe) -> Callable[[dict], bool]:
    """Which rows of the bank may be trained on by licence."""
    barred = {clip.key for clip in collection.read(recipe.data) if not clip.trainable}
    return lambda row: row["key"] not in barred


def heard_by(fold: str, alike: Sequence[str]) -> Callable[[dict], bool]:
    """Which rows of the bank a training hears.

    Of a fold all but its own, ``unheard`` no library of everyday, speech and field sounds, ``final`` everything,
    ``twin`` all of it but what begins with one of ``alike``.
    """
    if fold == FINAL:
        return lambda row: True
    if fold == TWIN:
        return lambda row: not row["key"].startswith(tuple(alike))
    if fold == "unheard":
        return lambda row: row["group"] not in UNHEARD
    return lambda row: row["fold"] != fold


def train_fold(recipe: Recipe, fold: str, *, begun: bool = False) -> None:
    """A network of what :func:`heard_by` says and the licence allows.

    ``begun``: only the phases that need nothing of ``mine``.
    """
    allowed, heard = trainable(recipe), heard_by(fold, recipe.settings["alike"])
    phases = recipe.settings["phases"]["folds" if fold in FOLDS else FINAL if fold == TWIN else fold]
    folder = recipe.trainings(recipe.seed) / (fold if fold in (FINAL, TWIN) else f"fold-{fold}")
    train(recipe, folder, lambda row: allowed(row) and heard(row), before_hard(phases) if begun else phases)


def unheard(recipe: Recipe, fold: str) -> dict[str, np.ndarray]:
    """Logits of a fold's model on windows drawn from that fold's recordings, with targets and what was judged.

    Alone, mixed, and as they play whole pieces.
    """
    feature = recipe.feature
    window = round(recipe.settings["window_s"] * feature.sample_rate / feature.hop_samples)
    stored = recipe.models / f"fold-{fold}" / f"unheard-{window}.npz"
    if not stored.is_file():
        mix = PowerMix(
            recipe.bank_with(solos=True),
            IDS,
            replace(recipe.mix, frames=window),
            keep=lambda row: row["fold"] == fold and row["variant"] == "0",
        )
        frames, targets, judged = next(mix.batches(17, CALIBRATION_WINDOWS))
        network = trained(recipe, f"fold-{fold}")
        with torch.no_grad():
            logits = torch.cat(
                [network.window_logits(part) for part in torch.from_numpy(frames).split(64)]
            ).numpy()
        present = np.array([label in mix.drawable for label in IDS])
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(stored, logits=logits, targets=targets, judged=judged, present=present)
    return dict(np.load(stored))


def trained(recipe: Recipe, name: str) -> Network:
    """What the members learned under a name (``fold-A``), as one network, ``other`` with its weight."""
    members = []
    for seed in recipe.members:
        network = recipe.network(background_weight=recipe.settings["decision"].get("background_weight", 0.0))
        network.load_state_dict(torch.load(recipe.trainings(seed) / name / "averaged.pt", weights_only=True))
        members.append(network)
    return joined(members)


def calibrate(recipe: Recipe, folds: tuple[str, ...]) -> tuple[dict, dict]:
    """Calibration and decisions per label from the unheard windows of the ``folds`` that have the label.

    A threshold is at least ``lowest``, and what ``at_least`` says of its label: by hand, for what no window teaches.
    """
    tables = [unheard(recipe, fold) for fold in folds]
    ratio, beta, lowest = (recipe.settings["decision"][key] for key in ("low_ratio", "beta", "lowest"))
    scaling, decisions = {}, {}
    seen = []
    for k in range(len(IDS)):
        rows = [
            (t["logits"][:, k], t["targets"][:, k], t["judged"][:, k] > 0) for t in tables if t["present"][k]
        ]
        seen.append(
            (
                np.concatenate([logit[known] for logit, _, known in rows]),
                np.concatenate([target[known] for _, target, known in rows]),
            )
        )
    fitted = calibration.fit_platt_together(
        *zip(*seen, strict=True), own=recipe.settings["decision"]["own_scale"]
    )
    for label, (logits, truth), (slope, offset) in zip(IDS, seen, fitted, strict=True):
        scaling[label] = {"slope": round(slope, 5), "offset": round(offset, 5)}
        probabilities = 1.0 / (1.0 + np.exp(-(slope * logits + offset)))
        # Where even the best threshold is poor, saying nothing is better than saying anything.
        by_hand = recipe.settings["decision"]["at_least"].get(label, 0.0)
        threshold = max(calibration.best_threshold(probabilities, truth, beta=beta), lowest, by_hand)
        decisions[label] = {
            "threshold": threshold,
            "low_threshold": round(threshold * ratio, 3),
            "origin": (
                "set by hand: blows on metal, glass and wood are taken for it"
                if threshold == by_hand
                else f"best F{beta:g}, at least {lowest:g}: windows of left-out origins, folds {''.join(folds)}"
            ),
            "ece": round(calibration.expected_calibration_error(probabilities, truth), 4),
            "operating_points": calibration.operating_points(probabilities, truth),
        }
    return scaling, decisions


def raw_bundle(recipe: Recipe, folder: Path, network: Network) -> Path:
    """A bundle of what the network says, not calibrated."""
    raw = {label: {"slope": 1.0, "offset": 0.0} for label in IDS}
    halves = {label: {"threshold": 0.5, "low_threshold": 0.4, "origin": "not fitted"} for label in IDS}
    write_bundle(
        folder / "raw", network, describe(recipe, f"raw-{folder.name}", raw, halves, {}, {}),
        feature=recipe.feature, card="# Not calibrated\n",
    )  # fmt: skip
    return folder / "raw"


def before_hard(phases: list[dict], rounds: int = 1) -> list[dict]:
    """The phases that need no sounds of this round of ``mine``."""
    return [phase for phase in phases if phase.get("hard", 0) < rounds]


def mine(recipe: Recipe) -> None:
    """Banks of what fools the shipped model; what it learnt from a round is looked for no more in the next."""
    folder, rate, first = recipe.work / FINAL, recipe.feature.sample_rate, 0
    for number, count in enumerate(recipe.settings["mine"]["counts"], start=1):
        if not (recipe.work / f"bank-hard-{number}" / "bank.json").is_file():
            before = before_hard(recipe.settings["phases"][FINAL], number)
            train(recipe, folder, trainable(recipe), before)
            network = recipe.network()
            network.load_state_dict(
                torch.load(folder / f"phase-{len(before)}" / "averaged.pt", weights_only=True)
            )
            (folder / "averaged.pt").unlink()
            bundle, sounds = raw_bundle(recipe, folder, network.eval()), recipe.work / f"hard-{number}"
            hard.mine(bundle, sounds, range(first, first + count), rate)
            build(recipe.work / f"bank-hard-{number}", list(hard.stems(sounds, number)), recipe.feature)
        first += count


def describe(recipe: Recipe, name: str, scaling: dict, decisions: dict, metrics: dict, summary: dict) -> dict:
    """The keys of bundle.json that this recipe knows."""
    rate = recipe.feature.sample_rate
    settings = recipe.settings["decision"]
    return {
        "name": name,
        "version": "1.8.0",
        "task": "tagging",
        "labels": [asdict(label) for label in INSTRUMENTS],
        "window": round(recipe.settings["window_s"] * rate),
        "hop": round(recipe.settings["hop_s"] * rate),
        "short": recipe.settings["short"],
        "calibration": scaling,
        "decision": {
            "min_duration_s": settings["min_duration_s"],
            "max_gap_s": settings["max_gap_s"],
            "labels": decisions,
        },
        "metrics": metrics,
        "training_data": summary,
        "licence": "MIT",
        "provenance": {"command": "recipes/instruments/build.py", "recipe": recipe.settings},
    }


def bench_clips(recipe: Recipe) -> list[collection.Clip]:
    """The recordings that are tested."""
    clips = collection.read(recipe.data)
    return [c for c in clips if c.fold and c.source != "fluidr3_rendered" and not c.unknown]


def listen(recipe: Recipe, fold: str) -> dict[str, np.ndarray]:
    """Window logits of each of a fold's clips, by the model that never heard the fold, through the users' pipeline."""
    folder = recipe.models / f"fold-{fold}"
    stored = folder / "heard.npz"
    if not stored.is_file():
        model = open_bundle(raw_bundle(recipe, folder, trained(recipe, folder.name)))
        runtime = Runtime(model)
        found = {
            clip.key: pipeline.score_recording(
                Recording(str(clip.path), clip.key), model, runtime
            ).scores.logits
            for clip in bench_clips(recipe)
            if clip.fold == fold
        }
        np.savez(stored, **{key.replace("/", "|"): logits for key, logits in found.items()})
    with np.load(stored) as file:
        return {key.replace("|", "/"): file[key] for key in file.files}


def score(recipe: Recipe, fold: str) -> None:
    """Keep what the fold's model answers, and print what comes of its clips before calibration, for trials."""
    unheard(recipe, fold)
    heard = listen(recipe, fold)
    clips = [clip for clip in bench_clips(recipe) if clip.fold == fold]
    chances = [(1.0 / (1.0 + np.exp(-heard[clip.key].astype(np.float64)))).mean(axis=0) for clip in clips]
    scores = np.array(chances)[:, [IDS.index(name) for name in ELEVEN]]
    truth = np.array([ELEVEN.index(clip.label) if clip.label in ELEVEN else -1 for clip in clips])
    origins = [clip.origin for clip in clips]
    result = bench.summary(bench.BenchScores(scores, truth, origins, [fold] * len(clips), ELEVEN))
    found = ", ".join(f"{key} {result[key]:.3f}" for key in ("top1", "map", "map_with_negatives"))
    print(f"fold {fold}, networks {recipe.together()}, not calibrated: {found}")


def run_bench(recipe: Recipe) -> dict:
    """Score every clip of the folds by the model that never saw its fold, calibrated on the other folds.

    The shipped members' figures are kept clip by clip, those of all members beside each other.
    """
    scores, truth, origins, folds, rows = [], [], [], [], []
    columns = [IDS.index(name) for name in ELEVEN]
    for fold in FOLDS:
        scaling, decisions = calibrate(recipe, tuple(f for f in FOLDS if f != fold))
        folder = recipe.models / f"fold-{fold}"
        write_bundle(
            folder / "bundle", trained(recipe, folder.name),
            describe(recipe, f"fold-{fold}", scaling, decisions, {}, {}),
            feature=recipe.feature, card=f"# A model that never heard fold {fold}\n",
        )  # fmt: skip
        slope, offset = (np.array([scaling[label][key] for label in IDS]) for key in ("slope", "offset"))
        heard = listen(recipe, fold)
        for clip in bench_clips(recipe):
            if clip.fold == fold:
                logits = heard[clip.key].astype(np.float64)
                mean = np.round(1.0 / (1.0 + np.exp(-(slope * logits + offset))), 4).mean(axis=0)
                scores.append(mean[columns])
                truth.append(ELEVEN.index(clip.label) if clip.label in ELEVEN else -1)
                origins.append(clip.origin)
                folds.append(fold)
                rows.append([clip.key, clip.label, clip.name, clip.origin, fold, *(f"{p:.4f}" for p in mean)])
    result = bench.summary(bench.BenchScores(np.array(scores), np.array(truth), origins, folds, ELEVEN))
    RESULTS.mkdir(exist_ok=True)
    stored = RESULTS / "seeds.json"
    seeds = json.loads(stored.read_text()) if stored.is_file() else {}
    seeds[recipe.together()] = {key: result[key] for key in ("top1", "map", "map_with_negatives", "recall")}
    stored.write_text(json.dumps(dict(sorted(seeds.items())), indent=1) + "\n")
    card.put(DOCUMENT, "seeds", card.seeds_table(seeds))
    print(card.seeds_table(seeds))
    if recipe.models == recipe.work:
        with open(RESULTS / "bench.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "label", "name", "origin", "fold", *IDS])
            writer.writerows(rows)
        (RESULTS / "bench.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
        tables = "\n\n".join((card.bench_table(result), card.many_line(result), card.confusion_table(result)))
        card.put(DOCUMENT, "bench", tables)
        print(tables)
    return result


def write_unheard(recipe: Recipe) -> Path:
    """The bundle of the model that heard no everyday, speech and field sounds, with the shipped thresholds."""
    return _write_beside(recipe, "fold-unheard", UNHEARD)


def write_twin(recipe: Recipe) -> Path:
    """The bundle of the model that heard nothing of the font that is reported on, with the shipped thresholds."""
    return _write_beside(recipe, TWIN, recipe.settings["alike"])


def _write_beside(recipe: Recipe, name: str, without: Sequence[str]) -> Path:
    """A bundle of what was trained under a name, calibrated as the shipped one is."""
    scaling, decisions = calibrate(recipe, FOLDS)
    out = recipe.models / name / "bundle"
    write_bundle(
        out, trained(recipe, name), describe(recipe, name.removeprefix("fold-"), scaling, decisions, {}, {}),
        feature=recipe.feature, card=f"# A model that never heard {', '.join(without)}\n",
    )  # fmt: skip
    return out


def make_final(recipe: Recipe, out: Path) -> None:
    """Write the shipped bundle, with the folds' figures on its card."""
    scaling, decisions = calibrate(recipe, FOLDS)
    measured = [
        RESULTS / f"{name}.json"
        for name in ("bench", "pairs", "bands", "pianos", "solos", "damaged", "alarms")
    ]
    metrics = {file.stem: json.loads(file.read_text()) for file in measured if file.is_file()}
    allowed = trainable(recipe)
    used = [row for row in recipe.bank.rows if allowed(row) and row["variant"] == "0"]
    frame_s = recipe.feature.hop_samples / recipe.feature.sample_rate
    summary = {
        "clips": dict(Counter(label for row in used for label in row["labels"]).most_common()),
        "recordings": sum(row["real"] == "1" for row in used),
        "renders": sum(row["real"] != "1" for row in used),
        "whole_pieces": sum(row["variant"] == "0" for row in Bank(recipe.work / "bank-solos").rows),
        "hours": round(sum(int(row["count"]) for row in used) * frame_s / 3600, 2),
        "origins": sorted({row["group"] for row in used if row["real"] == "1"}),
        "soundfonts": recipe.settings["stems"]["soundfonts"],
    }
    description = describe(recipe, "instruments", scaling, decisions, metrics, summary)
    text = card.instruments_card(description)
    write_bundle(out, trained(recipe, FINAL), description, feature=recipe.feature, card=text)
    print(f"wrote {out}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank", "solos", "begin", "mine", "fold", "score", "bench", "final"))
    parser.add_argument("fold", nargs="?", choices=(*FOLDS, "unheard", TWIN, FINAL))
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--stems", type=Path, help="rendered stems, a folder for each sound font")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of what fold trains")
    parser.add_argument(
        "--members", help="seeds that answer together in score and bench (default: the shipped ones)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that compute the bank")
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument(
        "-o", "--out", type=Path, default=HERE.parents[1] / "src" / "sonoscope" / "bundles" / "instruments"
    )
    arguments = parser.parse_args()
    members = [int(seed) for seed in arguments.members.split(",")] if arguments.members else None
    recipe = Recipe(arguments.recipe, arguments.work, arguments.data, arguments.seed, members)
    if arguments.step == "bank":
        if arguments.stems is None:
            parser.error("bank needs --stems")
        make_bank(recipe, arguments.stems, arguments.workers)
    elif arguments.step in ("begin", "fold", "score"):
        if arguments.fold is None:
            parser.error(f"{arguments.step} needs one of A B C D, fold also unheard, twin and final")
        if arguments.step != "score":
            train_fold(recipe, arguments.fold, begun=arguments.step == "begin")
        else:
            score(recipe, arguments.fold)
    elif arguments.step == "solos":
        make_solos(recipe)
    elif arguments.step == "bench":
        run_bench(recipe)
    elif arguments.step == "mine":
        mine(recipe)
    else:
        make_final(recipe, arguments.out)


if __name__ == "__main__":
    main()

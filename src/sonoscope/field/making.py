"""Making a folder of clips, and adding a batch to one."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.field import cutting, draw, evidence, falling, frame
from sonoscope.field.clipfolder import (
    AUDIO,
    VERSION,
    Clip,
    ClipFolder,
    begin,
    is_unfinished,
    open_folder,
    save,
    with_odds,
)
from sonoscope.field.cutting import Stretch
from sonoscope.field.draw import Drawn
from sonoscope.field.frame import Frame
from sonoscope.field.season import Season
from sonoscope.field.verdicts import DIGITS

PER = ("all", "class", "site")
#: Fewer clips of a class than this give intervals that say little.
FEW = 50

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """What came of it: the folder, how many clips are new, recordings that could not be cut, and remarks."""

    folder: ClipFolder
    new: int
    failed: tuple[UnreadableAudio, ...] = ()
    remarks: tuple[str, ...] = ()


def make(
    season: Season,
    out: str | Path,
    *,
    count: int = 200,
    per: str = "all",
    labels: Sequence[str] | None = None,
    pad_s: float = 2.0,
    seed: int = 0,
    form: str = "flac",
    recordings: str | Path | None = None,
    report: Report | None = None,
) -> Made:
    """Draw clips from a season into a new folder.

    Parameters
    ----------
    season : Season
    out : path
        New or empty.
    count : int
        Clips: of all classes together, of each class, or of each class at each site (``per``).
    labels : sequence of str, optional
        Default: those of which the season has any event.
    pad_s : float
        Seconds of sound before and after what is judged.
    seed : int
        What is drawn follows from it.
    form : {"flac", "wav"}
    recordings : path, optional
        Where the recordings are now; None: where they were analysed.

    Raises
    ------
    UsageError
        If the folder is in use, an option is out of range, or nothing was found of any label.
    """
    out = Path(out)
    _check(out, count, per, pad_s, form)
    counted = frame.count(season, season.columns(labels), report=report)
    frames, remarks = _heard_of(counted, named=labels is not None)
    rng = np.random.default_rng(seed)
    counts = _counts(frames, count, per)
    few = [label for label, number in counts.items() if number < FEW]
    if few:
        fewer = "name fewer classes (--labels), or " if len(counts) > 1 else ""
        remarks.append(
            f"{min(counts[label] for label in few)} clips of a class say little about it "
            f"({', '.join(few)}): {fewer}ask for more clips (--count, --per class)"
        )
    wanted, windows = {}, {}
    for label, number in counts.items():
        windows[label] = draw.strata(frames[label], by_site=draw.by_site(frames[label], number))
        wanted[label] = draw.equal(windows[label], number, rng)
    columns = season.columns(list(frames))
    drawn = draw.draw(season, frames, columns, wanted, windows, rng, report=report)
    settings = _settings(season, count, per, pad_s, seed, form)
    empty = ClipFolder(out, (), frames, settings)
    begin(empty)
    shutil.rmtree(out / AUDIO, ignore_errors=True)  # Of an earlier call that did not come to its end.
    return _added(empty, drawn, windows, season, rng, pad_s, form, recordings, report, remarks)


def add(
    season: Season,
    out: str | Path,
    verdicts: Mapping[str, bool],
    *,
    count: int = 200,
    recordings: str | Path | None = None,
    report: Report | None = None,
) -> Made:
    """Add a batch to a folder, where the verdicts so far leave most in doubt; no window becomes a clip twice.

    ``verdicts`` are those judged, and whether the sound is in them.

    Raises
    ------
    UsageError
        If the folder is of another season, or there are no verdicts.
    """
    folder = open_folder(out)
    if not verdicts:
        raise UsageError(
            f"there are no verdicts on clips of {out} yet: sonoscope review {out} --reviewer NAME"
        )
    columns = season.columns(folder.labels)
    check_same(frame.count(season, columns, folder.frames, report), folder, season, decided=True)
    batch = 1 + max((clip.batch for clip in folder.clips), default=0)
    rng = np.random.default_rng([int(folder.settings["seed"]), batch])
    worth, windows, left = {}, {}, {}
    for label, of in folder.frames.items():
        clips = folder.of(label)
        windows[label] = draw.strata(of, by_site=any(" at " in clip.stratum for clip in clips))
        used = Counter(clip.stratum for clip in clips)
        left[label] = {name: number - used[name] for name, number in windows[label].items()}
        worth[label] = doubts(evidence.gather(clips, of, verdicts), windows[label])
    flat = {(label, name): number for label, names in left.items() for name, number in names.items()}
    weights = {(label, name): worth[label][name] for label, name in flat}
    shared = draw.shares(
        {"\n".join(key): number for key, number in flat.items()},
        {"\n".join(key): weight for key, weight in weights.items()},
        count, rng, least=0,
    )  # fmt: skip
    wanted = {label: {name: shared[f"{label}\n{name}"] for name in names} for label, names in left.items()}
    taken: dict[tuple[str, str], list[int]] = {}
    for clip in folder.clips:
        taken.setdefault((clip.label, clip.file), []).append(clip.window)
    drawn = draw.draw(season, folder.frames, columns, wanted, left, rng, taken=taken, report=report)
    pad_s, form = float(folder.settings["pad_s"]), str(folder.settings["audio"])
    return _added(folder, drawn, windows, season, rng, pad_s, form, recordings, report, [])


def check_same(counted: Mapping[str, Frame], folder: ClipFolder, season: Season, *, decided: bool) -> None:
    """Find that clips were drawn from this season: the same windows with the same scores, and, with ``decided``, the
    same of them found.

    Raises
    ------
    UsageError
        If not.
    """
    for label, now in counted.items():
        then = folder.frames[label]
        axis = () if decided else 2
        if now.sites != then.sites or not np.array_equal(
            now.windows.sum(axis=axis), then.windows.sum(axis=axis)
        ):
            raise UsageError(
                f"{season.out} has {int(now.windows.sum()):,} windows of {label}, and other scores, sites or "
                f"events than the {int(then.windows.sum()):,} that the clips of {folder.path} were drawn from: "
                "recordings were added, analysed again or decided otherwise since; draw new clips into another folder"
            )


def _check(out: Path, count: int, per: str, pad_s: float, form: str) -> None:
    if per not in PER:
        raise UsageError(f"--per {per} must be one of {', '.join(PER)}")
    if count < 1:
        raise UsageError(f"--count {count} must be at least 1")
    if not 0 <= pad_s <= 60:
        raise UsageError(f"--pad {pad_s:g} must lie in 0..60 seconds")
    if form not in cutting.FORMATS:
        raise UsageError(f"--audio {form} must be {' or '.join(cutting.FORMATS)}")
    used = out.exists() and (not out.is_dir() or next(out.iterdir(), None) is not None)
    if used and not is_unfinished(out):
        raise UsageError(
            f"{out} is in use: name another folder with -o, or add a batch to it with --next VERDICTS.csv"
        )


def _heard_of(counted: dict[str, Frame], *, named: bool) -> tuple[dict[str, Frame], list[str]]:
    """The labels that were found at all; all of them where they were named."""
    found = {label: of for label, of in counted.items() if named or of.windows[:, :, 1].any()}
    if not found:
        raise UsageError(
            "no label was found in any recording: lower the threshold (analyze --from-scores OUT --threshold "
            "0.3), or name what to draw with --labels"
        )
    never = [label for label in counted if label not in found]
    remark = f"never found, and left out: {', '.join(never)} (--labels NAME draws them all the same)"
    return found, [remark] if never else []


def _counts(frames: Mapping[str, Frame], count: int, per: str) -> dict[str, int]:
    """How many clips each label gets."""
    if per == "class":
        return dict.fromkeys(frames, count)
    if per == "site":
        return {label: count * len(of.sites) for label, of in frames.items()}
    if count < len(frames):
        raise UsageError(
            f"--count {count} is less than a clip for each of {len(frames)} classes: name some with --labels"
        )
    each, more = divmod(count, len(frames))
    return {label: each + (place < more) for place, label in enumerate(frames)}


def _settings(season: Season, count: int, per: str, pad_s: float, seed: int, form: str) -> dict[str, Any]:
    decision = season.decision
    return {
        "version": VERSION,
        "model": season.bundle.name,
        "sha256": season.bundle.sha256,
        "count": count,
        "per": per,
        "pad_s": pad_s,
        "seed": seed,
        "audio": form,
        "thresholds": dict(decision.thresholds),
        "names": {label.id: label.name or label.id for label in season.bundle.labels},
    }


def doubts(known: evidence.Evidence, windows: Mapping[str, int]) -> dict[str, float]:
    """How much a further verdict on each stratum is worth: its part in the error of precision or of recall.

    Neyman's allocation, windows times the standard deviation of a verdict, relative to the windows found for what is
    found, and to the windows with the sound for what is not.
    """
    of = known.frame
    counts = of.in_bins().sum(axis=2).astype(float)
    caught = known.found > 0
    bins = of.bin_of(known.level, known.found)
    yes = [np.bincount(bins[k], weights=known.yes[k], minlength=of.n_bins) for k in (~caught, caught)]
    judged = [np.bincount(bins[k], minlength=of.n_bins).astype(float) for k in (~caught, caught)]
    lower = falling.draw(yes[0][::-1], judged[0][::-1], 1000, np.random.default_rng(0)).mean(axis=0)[::-1]
    share = np.stack([lower, (yes[1] + 0.5) / (judged[1] + 1.0)], axis=1)
    sounds = max(float((counts * share).sum()), 1.0)
    # Of a window: its part in the error of recall where it is not found, of precision where it is.
    worth = np.sqrt(share * (1 - share)) / np.array([sounds, max(counts[:, 1].sum(), 1.0)])
    return {
        name: float(worth[int(name[:2]), int(name[2:8] == " found")]) * size for name, size in windows.items()
    }


def _added(
    folder: ClipFolder,
    drawn: Sequence[Drawn],
    windows: Mapping[str, Mapping[str, int]],
    season: Season,
    rng: np.random.Generator,
    pad_s: float,
    form: str,
    recordings: str | Path | None,
    report: Report | None,
    remarks: Sequence[str],
) -> Made:
    """Number the windows, class by class and within a class at random; cut them; write the folder."""
    # Not their number: clips whose recording could not be read are missing among them.
    first = 1 + max((int(clip.clip) for clip in folder.clips), default=0)
    batch = 1 + max((clip.batch for clip in folder.clips), default=0)
    labels = list(folder.frames)
    mixed = [drawn[place] for place in rng.permutation(len(drawn))]
    mixed.sort(key=lambda each: labels.index(each.label))
    clips, jobs = [], dict[str, tuple[str, list[Stretch]]]()
    stretches = []
    for number, each in enumerate(mixed, start=first):
        start = max(each.start_s - pad_s, 0.0)
        stretch = Stretch(start, each.end_s + pad_s, folder.path / AUDIO / f"{number:0{DIGITS}d}")
        stretches.append(stretch)
        jobs.setdefault(each.row.file, (each.path, []))[1].append(stretch)
        clips.append(clip_of(each, f"{number:0{DIGITS}d}", batch, start))
    files, failed = cutting.cut_all(
        jobs, root=recordings, channel=season.spec.channel, form=form, report=report
    )
    if failed and not files:
        raise UsageError(f"none of {len(jobs)} recordings can be read; the first: {failed[0]}")
    new = [
        replace(clip, audio=files[stretch].relative_to(folder.path).as_posix())
        for clip, stretch in zip(clips, stretches, strict=True)
        if stretch in files
    ]
    whole = replace(folder, clips=tuple(with_odds([*folder.clips, *new], windows)))
    save(whole)
    return Made(whole, len(new), tuple(failed), tuple(remarks))


def clip_of(each: Drawn, number: str, batch: int, audio_start: float) -> Clip:
    """A window as a clip that has no sound and no odds yet."""
    row = each.row
    return Clip(
        number, each.label, each.score, each.raw, each.start_s, each.end_s, row.site, row.file, row.start_datetime,
        each.found, each.stratum, 1.0, batch, each.window, "", audio_start,
    )  # fmt: skip

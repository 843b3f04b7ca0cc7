"""How it was done, in sentences a paper can take: written from configurations, manifests and the report's origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonoscope.data.rows import Row
from sonoscope.evaluation import paired
from sonoscope.evaluation.page.clipcharts import models_of
from sonoscope.evaluation.paper import tex, trainings
from sonoscope.evaluation.paper.certificates import Leaks
from sonoscope.evaluation.paper.subjects import Material, Subject
from sonoscope.evaluation.protocols import PROTOCOLS
from sonoscope.evaluation.result import Result, plain, shown

#: Labels, or sources, that are named one by one.
NAMED = 20
#: What aggregations of windows are in words.
AGGREGATES = {
    "mean": "the mean over windows (S1)",
    "sum-max": "the sum over windows, divided by the clip's highest (S2)",
    "max": "the maximum over windows",
    "max-s2": "the maximum over runs of six windows, summed and divided by the clip's highest",
}


@dataclass(frozen=True)
class Words:
    """Plain text, or LaTeX: how names, references and files are written."""

    latex: bool

    def say(self, text: object) -> str:
        """Text from data."""
        return tex.escape(text) if self.latex else " ".join(str(text).split())

    def cite(self, *keys: str) -> str:
        """References after a name."""
        return rf"~\cite{{{','.join(keys)}}}" if self.latex and keys else ""

    def code(self, text: object) -> str:
        """A name of a file, a command, a digest."""
        return tex.breakable(text) if self.latex else str(text)


def paragraphs(
    result: Result,
    subjects: Sequence[Subject],
    data: Material,
    leaks: Sequence[Leaks],
    environment: Mapping[str, Any],
    *,
    latex: bool,
) -> list[str]:
    """Data, models, scoring, uncertainty, leakage and software, a paragraph each."""
    words = Words(latex)
    found = [
        _data(result, data, words),
        " ".join(_model(subject, words) for subject in subjects),
        _scoring(result, words),
        _uncertainty(result, words),
        _leakage(leaks, words),
        _software(result, environment, words),
    ]
    return [paragraph for paragraph in found if paragraph]


def _listed(names: Sequence[str], words: Words) -> str:
    held = [words.say(name) for name in names[:NAMED]]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(held) + more


def _data(result: Result, data: Material, words: Words) -> str:
    title = (
        f"{words.say(data.dataset.title)}{words.cite(data.entries[0].key)}"
        if data.dataset is not None
        else words.code(data.name)
    )
    rows = data.manifest.rows
    lasting = [_seconds(row) for row in rows]
    hours = f" ({sum(d for d in lasting if d) / 3600:.2f} h)" if rows and all(lasting) else ""
    groups = len({row.group or row.path for row in rows})
    found = [f"Data: {title}, {len(rows):,} clips{hours} in {groups:,} groups of which none may be divided."]
    splits = sorted({row.split for row in rows if row.split})
    if splits:
        found.append(f"Split: {_listed(splits, words)}.")
    found += _labels(result, words)
    if data.sources:
        told = [
            f"{words.say(name)} ({count:,}{words.cite(entry.key) if entry is not None else ''})"
            for name, (count, _) in list(data.sources.items())[:NAMED]
            for entry in [next((e for e in data.entries if e.key.endswith(_tail(name))), None)]
        ]
        more = f" and {len(data.sources) - NAMED:,} more" if len(data.sources) > NAMED else ""
        found.append(f"Clips by source: {', '.join(told)}{more}.")
    return " ".join(found)


def _seconds(row: Row) -> float | None:
    """How long it is, if anybody says so: a row, or a whole file of a collection."""
    stated = row.extra.get("length_s")
    return float(stated) if row.duration_s is None and stated else row.duration_s


def _tail(name: str) -> str:
    from sonoscope.evaluation.paper.references import key_of

    return key_of("", name)


def _labels(result: Result, words: Words) -> Iterator[str]:
    """How many labels there are, and how often each sounds."""
    for _, arrays in models_of(result):
        sounds = (np.asarray(arrays["truth"]) > 0) & np.asarray(arrays["known"]).astype(bool)
        counts = dict(zip(map(str, arrays["labels"]), sounds.sum(axis=0).tolist(), strict=True))
        order = sorted(counts, key=lambda name: -counts[name])
        told = [f"{words.say(name)} {counts[name]:,}" for name in order[:NAMED]]
        more = f" and {len(order) - NAMED:,} more" if len(order) > NAMED else ""
        yield f"{len(sounds):,} clips were judged; {len(order)} labels sound in: {', '.join(told)}{more}."
        return


def _model(subject: Subject, words: Words, key: str = "") -> str:
    spec, cited = subject.spec, words.cite(key or subject.entry.key)
    name = f"{words.say(subject.name)}{cited}"
    if subject.parts:
        first = next(iter(subject.parts.values()))
        told = _model(first, words, subject.entry.key)
        return (
            f"{name} is {len(subject.parts)} models, one for each {words.say(subject.column)}, which scored the clips "
            f"of that {words.say(subject.column)} alone ({_listed(list(subject.parts), words)}). Of the first: {told}"
        )
    if not spec:
        place = subject.about.get("predictions") or subject.about.get("results")
        if not place:
            return f"{name} is the mean of several models' scores."
        return f"{name}: predictions as they were read from {words.code(place)}."
    rate = spec["sample_rate"]
    feature = (spec.get("input") or {}).get("feature")
    found = [f"{name}, version {words.say(spec['version'])}, hears recordings at {rate:,} Hz"]
    if feature:
        found[0] += (
            f" as {words.say(trainings.part({key: value for key, value in feature.items() if key != 'sample_rate'}))}"
        )
    if spec.get("window") and spec.get("hop"):
        found[0] += f", in windows of {spec['window'] / rate:g} s every {spec['hop'] / rate:g} s"
    found[0] += "."
    network = spec.get("network") or {}
    parts = [f"{part} {trainings.part(network[part])}" for part in ("backbone", "head") if network.get(part)]
    if parts:
        found.append(f"Its network is {words.say(', '.join(parts))}.")
    learnt = spec.get("training_data") or {}
    figures = [
        f"{what} {shown(plain(learnt[what]))}" for what in ("clips", "hours", "groups") if learnt.get(what)
    ]
    if figures:
        found.append(f"It learnt from: {words.say('; '.join(figures))}.")
    found += [f"{words.say(sentence)}." for sentence in trainings.told(subject.config)]
    return " ".join(found)


def _scoring(result: Result, words: Words) -> str:
    protocol = PROTOCOLS.get(result.protocol)
    source = f" ({words.say(protocol.reference)})" if protocol is not None and protocol.reference else ""
    found = [f"Protocol {words.say(result.protocol)}, version {words.say(result.version)}{source}."]
    said = result.provenance
    if "aggregate" in said:
        how = AGGREGATES.get(str(said["aggregate"]), str(said["aggregate"]))
        found.append(f"The score of a clip is {how}.")
        found.append(
            "Macro figures are means over labels that sound in some clip; LRAP and samples figures leave out clips in "
            "which no label sounds."
        )
    stated = said.get("thresholds")
    if isinstance(stated, Mapping):
        several = all(isinstance(value, Mapping) for value in stated.values())
        for name, rows in stated.items() if several else [("", stated)]:
            told = "; ".join(
                str(value) if "(" in str(value) else f"{key}: {value}" for key, value in rows.items()
            )
            found.append(f"Thresholds{' of ' + words.say(name) if name else ''}: {words.say(told)}.")
    if said.get("validation"):
        found.append(f"What was fitted was fitted on {words.code(said['validation'])}.")
    if isinstance(said.get("options"), Mapping):
        found.append(f"Options: {words.say(shown(plain(said['options'])))}.")
    return " ".join(found)


def _uncertainty(result: Result, words: Words) -> str:
    drawn = result.provenance.get("bootstrap")
    some = any(figure.low is not None for figure in result.figures.values())
    found = []
    if some:
        how = f" ({words.say(drawn)})" if drawn else ""
        found.append(f"Intervals are the middle 95{words.say(' %')} of a bootstrap over groups{how}.")
    if any(table.name == paired.TABLE for table in result.tables):
        found.append("Differences of two models are paired: each draw takes the same groups for both.")
    found += [f"{words.say(note[:1].upper() + note[1:])}." for note in result.notes]
    return " ".join(found)


def _leakage(leaks: Sequence[Leaks], words: Words) -> str:
    if not leaks:
        return ""
    told = " ".join(f"{words.say(each.about)}: {words.say(each.told)}." for each in leaks)
    return f"Leakage. {told}"


def _software(result: Result, environment: Mapping[str, Any], words: Words) -> str:
    packages = environment["packages"]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if name != "sonoscope")
    threads = ", ".join(f"{name} {count}" for name, count in environment["threads"].items())
    own = result.provenance.get("sonoscope", packages.get("sonoscope", ""))
    return (
        f"Software: sonoscope {words.say(own)}{words.cite('sonoscope')}, {words.say(environment['python'])}, "
        f"{words.say(versions)}; {words.say(environment['system'])} on {words.say(environment['processor'])}, "
        f"{environment['processors']} processors; threads: {words.say(threads)}. "
        f"Command: {words.code(result.provenance.get('command', ''))}"
    )

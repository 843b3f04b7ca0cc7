"""What there is: models, labels, formats, data sets; and whether the service is well."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Query

from sonoscope import outputs
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.service import bundles
from sonoscope.service.answers import media_type
from sonoscope.service.house import OfHouse
from sonoscope.values import Label

router = APIRouter(tags=["facts"])


@router.get("/models", summary="The models that can be asked.")
def list_models(house: OfHouse) -> dict[str, Any]:
    """Every model with its labels and thresholds; the first sentence of its card says what it is for."""
    found = bundles.opened(house.settings.models)
    return {"models": [_described(name, bundle) for name, bundle in found.items()]}


@router.get("/labels", summary="The labels that models know.")
def list_labels(
    house: OfHouse, model: str | None = Query(None, description="Only those of this model.")
) -> dict[str, Any]:
    """Every label once, with the models that know it; names of notes only if their model is asked for."""
    if model is not None:
        bundles.place(model, house.settings.models)
    merged: dict[str, dict[str, Any]] = {}
    for name, bundle in bundles.opened(house.settings.models).items():
        if name != model if model is not None else bundle.task == NOTES:
            continue
        for label in bundle.labels:
            merged.setdefault(label.id, {**_label(label), "models": []})["models"].append(name)
    return {"labels": list(merged.values())}


@router.get("/formats", summary="The formats that answers can have.")
def list_formats() -> dict[str, Any]:
    """What ``format`` may name."""
    return {
        "formats": [
            {
                "name": name, "suffix": form.suffix, "media_type": media_type(name), "binary": form.binary,
                "many": form.many,
            }
            for name, form in outputs.WRITERS.items()
        ]
    }  # fmt: skip


@router.get("/datasets", summary="The data sets and protocols that evaluations know.")
def list_datasets() -> dict[str, Any]:
    """What ``dataset`` and ``protocol`` of ``/evaluate`` may name."""
    from sonoscope.data.datasets import DATASETS
    from sonoscope.evaluation.protocols import PROTOCOLS

    return {
        "datasets": [
            {"name": name, "title": one.title, "licence": one.licence} for name, one in DATASETS.items()
        ],
        "protocols": [{"name": name, "title": one.title} for name, one in PROTOCOLS.items()],
    }


def _described(name: str, bundle: Bundle) -> dict[str, Any]:
    is_notes = bundle.task == NOTES
    return {
        "name": name,
        "version": bundle.version,
        "task": bundle.task,
        "default": name == bundles.DEFAULT,
        "sample_rate": bundle.sample_rate,
        "window": None if is_notes else bundle.window_samples / bundle.sample_rate,
        "hop": bundle.note_hop_s if is_notes else bundle.hop_samples / bundle.sample_rate,
        "embedding_size": None if is_notes else bundle.embedding_size or None,
        "licence": bundle.licence,
        "summary": _summary(bundle),
        "explains": not is_notes or hasattr(bundle.feature, "frequencies_hz"),
        "min_duration": None if is_notes else bundle.min_duration_s,
        "max_gap": None if is_notes else bundle.max_gap_s,
        "rules": asdict(bundle.rules) if is_notes else None,
        "labels": [
            {
                **_label(label), "kind": label.kind, "threshold": None if is_notes else bundle.thresholds.get(label.id),
                "low_threshold": None if is_notes else bundle.low_thresholds.get(label.id),
                "low_hz": label.low_hz, "high_hz": label.high_hz,
            }
            for label in bundle.labels
        ],
    }  # fmt: skip


def _label(label: Label) -> dict[str, Any]:
    return {
        "id": label.id, "name": label.name or label.id, "code": label.code, "group": label.group,
        "synonyms": list(label.synonyms),
    }  # fmt: skip


def _summary(bundle: Bundle) -> str:
    """The first paragraph of the card, up to its first full stop."""
    try:
        text = bundle.card.read_text(encoding="utf-8")
    except OSError:
        return ""
    plain = (
        part for part in text.split("\n\n") if part.strip() and not part.startswith(("#", "|", "---", "<"))
    )
    return " ".join(next(plain, "").split()).partition(". ")[0].rstrip(".")

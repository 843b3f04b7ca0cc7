"""Embeddings: a vector for each window, as JSON, npz or Parquet; the files are those of ``sonoscope embed``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sonoscope import api
from sonoscope.embeddings import Embedder, OneFile, Piece
from sonoscope.errors import UnreadableAudio
from sonoscope.service.tasks.inputs import check_short, recordings, told
from sonoscope.service.worker import Tools
from sonoscope.values import Recording

#: What an answer can be, and its media type.
FORMS = {
    "json": "application/json",
    "npz": "application/octet-stream",
    "parquet": "application/vnd.apache.parquet",
}


def embed(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``embed``. ``request``: the recordings, ``model``, ``hop``, ``channel``, ``form``, ``answer``."""
    embedder = Embedder(tools.models.get(request["model"]).bundle, request["hop"], request["channel"])
    entries = recordings(request)
    lengths = check_short(entries, request)
    answer, form = Path(request["answer"]), request["form"]
    failed: list[UnreadableAudio] = []

    def pieces(recording: Recording) -> Iterator[Piece]:
        for piece in embedder.pieces(recording):
            tools.progress(recording.name, float(piece.end[-1]), lengths.get(recording.name))
            yield piece

    def readable() -> Iterator[tuple[Recording, Iterator[Piece]]]:
        for entry in entries:
            try:
                recording = api.found(entry)
                yield recording, pieces(recording)
            except UnreadableAudio as error:
                if len(entries) == 1:
                    raise
                failed.append(error)

    if form == "json":
        _write_json(answer, embedder, readable(), failed)
    else:
        part = answer.with_name(f"whole.{form}")
        with OneFile(part, embedder, overwrite=True) as file:
            for recording, found in readable():
                try:
                    file.add(recording.name, found)
                except UnreadableAudio as error:
                    if len(entries) == 1:
                        raise
                    failed.append(error)
            file.close()
        part.replace(answer)
    name = f"{Path(entries[0].name).name}.embeddings" if len(entries) == 1 else "embeddings"
    return {"media_type": FORMS[form], "name": f"{name}.{form}", "failed": len(failed)}


def _write_json(
    answer: Path,
    embedder: Embedder,
    readable: Iterator[tuple[Recording, Iterator[Piece]]],
    failed: list[UnreadableAudio],
) -> None:
    """``model``, ``size``, ``files`` with start, end and vector of each window, and ``errors``."""
    with open(answer, "w", encoding="utf-8") as file:
        file.write(f'{{"model":{json.dumps(embedder.bundle.name)},"size":{embedder.size},"files":[')
        comma = ""
        for recording, pieces in readable:
            try:
                windows = [
                    {"start": start, "end": end, "vector": [round(value, 6) for value in vector]}
                    for piece in pieces
                    for start, end, vector in zip(
                        piece.start.round(6).tolist(),
                        piece.end.round(6).tolist(),
                        piece.vectors.tolist(),
                        strict=True,
                    )
                ]
            except UnreadableAudio as error:
                failed.append(error)
                continue
            file.write(comma + "\n" + json.dumps({"file": recording.name, "windows": windows}))
            comma = ","
        if failed and not comma:
            raise failed[0]
        file.write(f'\n],"errors":{json.dumps([told(error) for error in failed])}}}\n')

"""Recordings that the page looks at: facts, sound, waveform, spectrogram."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from sonoscope.service import tiles
from sonoscope.service.faults import Fault
from sonoscope.service.house import House, OfHouse
from sonoscope.service.places import attachment, under_root
from sonoscope.service.recordings import PREPARE, Sound
from sonoscope.service.routes.analysis import UPLOAD, RootPath, check_size
from sonoscope.service.routes.answering import reference
from sonoscope.service.uploads import receive

router = APIRouter(prefix="/recordings", tags=["recordings"])
Name = Annotated[str, Path(description="What POST /recordings answered.", max_length=64)]
#: No recording is longer, no sound higher; what is beyond would have no whole number of samples.
MOST_S, MOST_HZ = 10_000_000, 10_000_000
Seconds = Annotated[float, Query(ge=0, le=MOST_S, description="Seconds from the start.")]
End = Annotated[float | None, Query(ge=0, le=MOST_S, description="Seconds (default: the end).")]
#: So long a request waits for a recording to be prepared.
WAIT_S = 15.0
#: What pictures and sound may be kept by browsers: they never change.
KEEP = {"Cache-Control": "private, max-age=86400, immutable"}


@router.post(
    "",
    status_code=201,
    summary="Keep a recording for a while, to look at and to ask about.",
    openapi_extra=UPLOAD,
)
async def add_recording(house: OfHouse, request: Request, path: RootPath = None) -> JSONResponse:
    """One file. It is decoded once; a long one may still be ``preparing`` when this answers."""
    check_size(request, house.settings.max_upload)
    house.office.check_room()
    sound = house.recordings.new()
    try:
        await _fill(house, sound, request, path)
        job = house.office.new(PREPARE)
        job.request = {**sound.to_request(), "recording": sound.id, "folder": str(sound.folder)}
        sound.job = job
        house.recordings.add(sound)
        await house.office.submit(job, keep=True)
    except BaseException:
        house.recordings.drop(sound)
        raise
    until = asyncio.get_running_loop().time() + WAIT_S
    while not job.is_over and (left := until - asyncio.get_running_loop().time()) > 0:
        await job.change(left)
    if sound.error is not None:
        house.recordings.drop(sound)
        raise sound.error
    headers = {"Location": reference(request, f"recordings/{sound.id}")}
    return JSONResponse({"recording": house.recordings.described(sound)}, 201, headers)


async def _fill(house: House, sound: Sound, request: Request, path: str | None) -> None:
    """Let the recording have its file and name."""
    if path is not None:
        sound.source = under_root(house.settings.data_root, path)
        if not sound.source.is_file():
            raise Fault("usage", f"path={path[:200]!r} is no file", "Name one file.")
        sound.name = sound.source.name
        return
    house.check_disk(request)
    kind = request.headers.get("content-type", "")
    uploads = await receive(request.stream(), kind, sound.folder, limit=house.settings.max_upload)
    if len(uploads) > 1:
        raise Fault("usage", f"{len(uploads)} files were sent", "Send one at a time.")
    sound.source, sound.name = uploads[0].path, uploads[0].name
    house.disk_used += sound.source.stat().st_size


@router.get("/{recording}", summary="Facts of a recording.")
async def recording_facts(house: OfHouse, recording: Name) -> dict[str, Any]:
    """Name, state, duration, rate, channels, peak, and until when it is kept."""
    return {"recording": house.recordings.described(house.recordings.find(recording))}


@router.delete("/{recording}", status_code=204, summary="Remove a recording.")
async def remove_recording(house: OfHouse, recording: Name) -> Response:
    """At once, with all that was made of it."""
    sound = house.recordings.find(recording)
    if sound.job is not None:
        await house.office.drop(sound.job)
    house.recordings.drop(sound)
    return Response(status_code=204)


@router.get("/{recording}/audio", summary="The sound, to be played.", response_class=FileResponse)
async def recording_audio(
    house: OfHouse,
    recording: Name,
    as_: Annotated[
        Literal["mono", "original"],
        Query(
            alias="as",
            description="mono: what models hear, sample by sample; original: the file that was given.",
        ),
    ] = "mono",
) -> FileResponse:
    """WAV, 16 bit, mono; or the original file, if browsers play it. Parts of it by the header ``Range``."""
    sound = house.recordings.ready(recording)
    if as_ == "mono":
        return FileResponse(sound.audio, media_type="audio/wav", headers=KEEP)
    assert sound.facts is not None
    if sound.facts["plays"] is None:
        raise Fault(
            "not_acceptable",
            f"browsers do not play {sound.facts['container']} with {sound.facts['codec']}",
            "Take as=mono.",
        )
    headers = KEEP | {"Content-Disposition": attachment(sound.name)}
    return FileResponse(sound.source, media_type=sound.facts["plays"], headers=headers)


@router.get("/{recording}/peaks", summary="The waveform of a stretch.")
def recording_peaks(
    house: OfHouse,
    recording: Name,
    start: Seconds = 0.0,
    end: End = None,
    points: Annotated[int, Query(ge=1, le=8192)] = 1000,
) -> dict[str, Any]:
    """The smallest and the largest sample of each of ``points`` equal parts, -1..1."""
    sound = house.recordings.ready(recording)
    assert sound.facts is not None
    end = sound.facts["duration"] if end is None else end
    return tiles.peaks(
        sound.audio,
        sound.peaks,
        sound.facts["samples"],
        sound.facts["sample_rate"],
        start=start,
        end=end,
        points=points,
    )


@router.get(
    "/{recording}/spectrogram", summary="The spectrogram of a stretch, as a picture.", response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)  # fmt: skip
def recording_spectrogram(
    house: OfHouse,
    recording: Name,
    start: Seconds = 0.0,
    end: End = None,
    width: Annotated[int, Query(ge=1, le=4096)] = 1024,
    height: Annotated[int, Query(ge=1, le=1024)] = 256,
    low: Annotated[float, Query(ge=0, le=MOST_HZ, description="Hz at the bottom.")] = 0.0,
    high: Annotated[
        float | None, Query(gt=0, le=MOST_HZ, description="Hz at the top (default: half the rate).")
    ] = None,
    floor_db: Annotated[float, Query(ge=-200, le=50, description="What is shown darkest.")] = -100.0,
    top_db: Annotated[float, Query(ge=-200, le=50, description="What is shown brightest.")] = 0.0,
    scale: tiles.Scale = "linear",
    colours: Annotated[tiles.Colours, Query(alias="colors")] = "grey",
) -> Response:
    """A PNG of exactly that size. 0 dB is a sine of full scale; past the end it is dark."""
    sound = house.recordings.ready(recording)
    assert sound.facts is not None
    rate = sound.facts["sample_rate"]
    view = tiles.View(
        start, sound.facts["duration"] if end is None else end, width, height, low, high or rate / 2, floor_db,
        top_db, scale, colours,
    ).checked()  # fmt: skip
    key = (sound.id, view)
    picture = house.pictures.get(key)
    if picture is None:
        samples = tiles.samples_of(sound.audio, sound.facts["samples"])
        picture = tiles.png(tiles.spectrogram(samples, rate, view), colours)
        house.pictures.put(key, picture)
    return Response(picture, media_type="image/png", headers=KEEP)

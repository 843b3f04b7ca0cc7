"""Recordings that the page looks at: prepared once, kept for a while, in a folder each.

In a folder lie ``about.json`` (what is known), ``upload-0`` (what was sent), and what preparing made of it:
``sound.wav`` (mono, 16 bit, every sample of the recording) and ``peaks.i16``; further ``heard/`` (scores) and
``played/`` (notes as sound). A recording that was a file under the data root has no ``upload-0``.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonoscope.service.faults import Fault
from sonoscope.service.office import DONE, Job

PREPARE = "prepare"
PREPARING, READY, FAILED = "preparing", "ready", "failed"


@dataclass(eq=False)
class Sound:
    """One recording.

    Attributes
    ----------
    name : str
        What the client calls it.
    source : Path
        The file that was given.
    facts : dict, optional
        What preparing found; None until it is done.
    used : float
        Seconds since 1970 of the last request.
    """

    id: str
    name: str
    folder: Path
    source: Path
    facts: dict[str, Any] | None = None
    error: Fault | None = None
    used: float = 0.0
    job: Job | None = None

    @property
    def state(self) -> str:
        """``preparing``, ``ready`` or ``failed``."""
        return READY if self.facts is not None else FAILED if self.error is not None else PREPARING

    @property
    def audio(self) -> Path:
        """Its sound as WAV."""
        return self.folder / "sound.wav"

    @property
    def peaks(self) -> Path:
        """Smallest and largest sample of every stretch, int16 pairs."""
        return self.folder / "peaks.i16"

    @property
    def heard(self) -> Path:
        """Where scores are kept."""
        return self.folder / "heard"

    def to_request(self) -> dict[str, Any]:
        """As tasks take it."""
        return {"uploads": [{"path": str(self.source), "name": self.name}]}


class Recordings:
    """The recordings of a service.

    Parameters
    ----------
    folder : Path
    age_s : float
        Seconds after its last use that a recording is kept.
    """

    def __init__(self, folder: Path, age_s: float) -> None:
        self._folder, self._age_s = folder, age_s
        self._sounds: dict[str, Sound] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def recall(self, jobs: Iterable[Job]) -> None:
        """Take up those of an earlier life; what was not prepared and will not be is removed."""
        preparing = {job.request["recording"]: job for job in jobs if job.kind == PREPARE and not job.is_over}
        for path in self._folder.iterdir():
            try:
                about = json.loads((path / "about.json").read_text(encoding="utf-8"))
                sound = Sound(path.name, about["name"], path, Path(about["source"]), about["facts"])
                sound.used = about["used"]
            except (OSError, ValueError, KeyError):
                shutil.rmtree(path, ignore_errors=True)
                continue
            sound.job = preparing.get(sound.id)
            if sound.facts is None and sound.job is None:
                shutil.rmtree(path, ignore_errors=True)
                continue
            self._sounds[sound.id] = sound

    def new(self) -> Sound:
        """A recording with a folder of its own, to be filled in and added."""
        name = uuid.uuid4().hex
        folder = self._folder / name
        folder.mkdir()
        return Sound(name, "", folder, folder / "upload-0")

    def add(self, sound: Sound) -> None:
        """From here on it can be found."""
        self._sounds[sound.id] = sound
        self.touch(sound)

    def find(self, name: str) -> Sound:
        """The recording of that id, used now. Raises ``Fault``."""
        sound = self._sounds.get(name)
        if sound is None:
            raise Fault(
                "not_found",
                f"there is no recording {name[:64]}",
                "Recordings are kept for a while: send it again.",
            )
        if time.time() - sound.used > 60:
            self.touch(sound)
        return sound

    def ready(self, name: str) -> Sound:
        """The same, known to be prepared. Raises ``Fault``."""
        sound = self.find(name)
        if sound.error is not None:
            raise sound.error
        if sound.facts is None:
            raise Fault(
                "conflict", "the recording is still being prepared", f"Ask GET /recordings/{name} first."
            )
        return sound

    def touch(self, sound: Sound) -> None:
        """It was used now."""
        sound.used = time.time()
        about = {"name": sound.name, "source": str(sound.source), "facts": sound.facts, "used": sound.used}
        part = sound.folder / "about.part"
        part.write_text(json.dumps(about), encoding="utf-8")
        part.replace(sound.folder / "about.json")

    def prepared(self, job: Job) -> None:
        """A job is over: if it prepared a recording, that is ready now, or failed."""
        sound = self._sounds.get(job.request.get("recording", "")) if job.kind == PREPARE else None
        if sound is None:
            return
        sound.job = None
        if job.state == DONE and job.result is not None:
            sound.facts = job.result["facts"]
            self.touch(sound)
        else:
            sound.error = job.error

    def drop(self, sound: Sound) -> None:
        """Remove a recording and all its files."""
        self._sounds.pop(sound.id, None)
        shutil.rmtree(sound.folder, ignore_errors=True)

    def forget_old(self) -> None:
        """Remove what has not been used for long."""
        for sound in [one for one in self._sounds.values() if self.expires(one) < time.time()]:
            self.drop(sound)

    def oldest(self) -> Sound | None:
        """The one unused longest, if it has been unused for a minute at least."""
        idle = [one for one in self._sounds.values() if one.job is None and time.time() - one.used > 60]
        return min(idle, key=lambda sound: sound.used, default=None)

    def expires(self, sound: Sound) -> float:
        """When it will be removed, in seconds since 1970."""
        return sound.used + self._age_s

    def described(self, sound: Sound) -> dict[str, Any]:
        """A recording as JSON values."""
        progress = sound.job.progress if sound.job is not None else None
        facts = sound.facts or dict.fromkeys(("duration", "sample_rate", "channels", "peak", "note", "bytes"))
        return {
            "id": sound.id, "name": sound.name, "state": sound.state,
            "error": sound.error.to_json()["error"] if sound.error else None,
            "progress": progress["share"] if progress else None,
            **{key: facts[key] for key in ("duration", "sample_rate", "channels", "peak", "note", "bytes")},
            "expires": round(self.expires(sound)),
        }  # fmt: skip

"""Where an input stands: complete, to be decided again from kept scores, or to be analysed."""

from __future__ import annotations

from pathlib import Path

from sonoscope.runs import folder
from sonoscope.runs.job import Job, Task
from sonoscope.runs.journal import DONE, Journal, Record
from sonoscope.values import Recording


def standing(recording: Recording, task: Task, journal: Journal) -> Record | Job:
    """The record of an input that is complete, or what is left to do for it.

    Complete means: analysed as it is now (size and time), decided as is asked now, and every result is there.
    A result that somebody changed since is left alone.
    """
    out = Path(task.spec.out)
    record = journal.get(recording.name)
    if record is None or record.status != DONE or not record.describes(recording) or task.spec.overwrite:
        return Job(recording)
    kept = [folder.kept_scores(recording.name, task.model(bundle)) for bundle in task.bundles]
    gone = {name for name, size in record.outputs.items() if not _is_there(out / name, size)}
    decided = record.decision == task.decision and journal.trusted(record)
    if decided and not (gone if task.spec.keep_scores else gone.difference(kept)):
        return record
    if all(name in record.outputs and name not in gone for name in kept):
        return Job(recording, kept=record)
    return Job(recording)


def _is_there(file: Path, size: int) -> bool:
    """Whether a result exists. One that is empty and was not is what a power failure can leave."""
    try:
        return file.stat().st_size > 0 or size == 0
    except OSError:
        return False

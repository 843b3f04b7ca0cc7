"""basic-pitch, in an environment of its own: transcribes a list of files, or answers line by line for timing.

    PEER_PYTHON peer.py transcribe FILES.json NOTES.json [VARIANT]
    PEER_PYTHON peer.py serve

Nothing of sonoscope is imported here. basic-pitch 0.4.0 with its ONNX model, one thread: of libraries by the
environment, of ONNX Runtime by its session's options. Notes come with its defaults, and with a shortest note of 58 ms
instead of 128, which suits fast music better.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import redirect_stdout
from pathlib import Path

import basic_pitch
import numpy as np
import onnxruntime

VARIANTS = {"default": 127.70, "58 ms": 58.0}


def load():
    """basic-pitch's model with one thread."""
    from basic_pitch import inference

    plain = onnxruntime.InferenceSession

    def one_thread(path, **rest):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return plain(path, options, **rest)

    onnxruntime.InferenceSession = one_thread
    model = inference.Model(Path(basic_pitch.__file__).parent / "saved_models" / "icassp_2022" / "nmp.onnx")
    onnxruntime.InferenceSession = plain
    return model


def created(output, minimum_ms: float):
    """Notes and MIDI from the network's output, as `predict` makes them."""
    from basic_pitch import note_creation
    from basic_pitch.constants import AUDIO_SAMPLE_RATE, FFT_HOP

    frames = int(np.round(minimum_ms / 1000 * (AUDIO_SAMPLE_RATE / FFT_HOP)))
    return note_creation.model_output_to_notes(
        output, onset_thresh=0.5, frame_thresh=0.3, min_note_len=frames, min_freq=None, max_freq=None,
        multiple_pitch_bends=False, melodia_trick=True, midi_tempo=120,
    )  # fmt: skip


def transcribe(files: list[str], variants: list[str]) -> list[dict]:
    """Start, end and pitch of the notes of each file, for each of the variants."""
    from basic_pitch import inference

    model, found = load(), []
    for file in files:
        output = inference.run_inference(file, model)
        row = {}
        for name in variants:
            _, events = created(output, VARIANTS[name])
            row[name] = [[float(a), float(b), int(pitch)] for a, b, pitch, *_ in events]
        found.append(row)
    return found


def serve() -> None:
    """Answer commands, one JSON object a line, with the user CPU that they took.

    `{"do": "total"|"network"|"output"|"notes", "file": …}`: a prediction with its MIDI file, of which `notes_s` is for
    notes; the network alone, on samples that are read already; the output, which is kept; notes from it.
    """
    from basic_pitch import inference

    model, output = load(), None
    for line in sys.stdin:
        asked, said = json.loads(line), {}
        before = _user_s()
        with redirect_stdout(sys.stderr):
            if asked["do"] == "network":
                windows = list(inference.get_audio_input(asked["file"], 30 * 256, 43844 - 30 * 256))
                before = _user_s()
                for window, _, _ in windows:
                    model.predict(window)
            if asked["do"] in ("total", "output"):
                output = inference.run_inference(asked["file"], model)
            if asked["do"] in ("total", "notes"):
                began = _user_s()
                midi, _ = created(output, VARIANTS["default"])
                midi.write(asked["midi"])
                said["notes_s"] = _user_s() - began
        print(json.dumps({"user_s": _user_s() - before, **said}), flush=True)


def peak_mib() -> float:
    """The largest memory this process had: not what started it, which `getrusage` would count too."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def _user_s() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        with redirect_stdout(sys.stderr):
            notes = transcribe(json.loads(Path(sys.argv[2]).read_text()), sys.argv[4:] or list(VARIANTS))
        Path(sys.argv[3]).write_text(json.dumps(notes))
        print(peak_mib())

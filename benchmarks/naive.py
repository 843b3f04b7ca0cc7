"""The script one writes first: librosa.load, librosa's log-mel of each window, eager torch, a CSV row.

The network, its weights and the parameters of the features are the bundle's, so that only the way of computing
differs. Windows begin every ``hop_s`` seconds; the last one is filled with zeros. Run as a script, it is the other
side of the comparison with imports: ``python naive.py BUNDLE RECORDING HOP_S CSV``.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import librosa
import numpy as np
import torch
from safetensors.torch import load_file

from sonoscope.networks.build import Network


def load(bundle: Path) -> tuple[Network, dict]:
    """The bundle's network in torch, and its description."""
    spec = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    config = dict(spec["network"])
    network = Network(config.pop("n_bins"), config.pop("n_classes"), **config)
    network.load_state_dict(
        {k: v.float() for k, v in load_file(bundle / "model.safetensors").items()}, strict=False
    )
    return network.eval(), spec


def score(recording: Path, network: Network, spec: dict, hop_s: float, table: Path) -> None:
    """Write a row of probabilities for each window of a recording."""
    rate, length, feature = spec["sample_rate"], spec["window"], spec["input"]["feature"]
    hop = round(hop_s * rate)
    samples, _ = librosa.load(recording, sr=rate)
    labels = [label["id"] for label in spec["labels"]]
    with open(table, "w", newline="") as file, torch.inference_mode():
        writer = csv.writer(file)
        writer.writerow(["start", "end", *labels])
        for start in range(0, max(samples.size - length + hop, 1), hop):
            window = librosa.util.fix_length(samples[start : start + length], size=length)
            frames = log_mel(window, feature)[: length // feature["hop_samples"]]
            logits = network.window_logits(torch.from_numpy(frames)[None])
            scores = torch.sigmoid(logits)[0].tolist()
            writer.writerow(
                [start / rate, min(start + length, samples.size) / rate, *(round(s, 4) for s in scores)]
            )


def log_mel(window: np.ndarray, feature: dict) -> np.ndarray:
    """librosa's log-mel of a window, shape (1 + n // hop, n_mels), dB, without its cut at 80 dB below the peak."""
    power = librosa.feature.melspectrogram(
        y=window,
        sr=feature["sample_rate"],
        n_fft=feature["n_fft"],
        hop_length=feature["hop_samples"],
        n_mels=feature["n_mels"],
        fmin=feature["f_min_hz"],
        fmax=feature["f_max_hz"],
    )
    return np.ascontiguousarray(librosa.power_to_db(power, amin=feature["floor"], top_db=None).T)


if __name__ == "__main__":
    torch.set_num_threads(1)
    bundle, recording, hop_s, table = sys.argv[1:]
    score(Path(recording), *load(Path(bundle)), float(hop_s), Path(table))

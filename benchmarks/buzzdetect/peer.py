"""buzzdetect's way from a recording to its table, re-enacted as its sources and documentation describe it.

A streamer thread opens the recording with soundfile, seeks and reads chunks of 200 s (rounded to whole frames of
0.96 s), takes the mean of the channels and resamples with ``librosa.resample``; an analyzer thread runs the network on
a whole chunk; a writer thread rounds to two decimals and appends to a partial table with pandas, which is sorted and
renamed in the end. The queue between holds twice as many chunks as there are streamers. Left out is what only costs:
its log, its progress, the coverage of results that exist.

    peer.py make tensorflow FOLDER                   the network as a SavedModel
    peer.py run tensorflow|onnx MODEL RECORDING OUT  one recording; OUT is the table

``tensorflow`` is what buzzdetect's ``main`` uses, in an environment with TensorFlow, librosa, pandas and soundfile;
``onnx`` its later versions: one graph from the waveform on, ONNX Runtime, the same threads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import librosa
import network as net
import numpy as np
import pandas as pd
import soundfile

FRAME_S = net.FRAME / net.RATE_HZ
CHUNK_S = round(200 / FRAME_S) * FRAME_S

Predict = Callable[[np.ndarray], np.ndarray]


def make(folder: Path) -> None:
    """YAMNet's layers over its log-mel, and a dense layer, as a SavedModel."""
    import tensorflow as tf

    class Yamnet(tf.Module):
        def __init__(self) -> None:
            self.kernels = {name: tf.Variable(value) for name, value in net.weights().items()}
            sizes = [kernel.shape for kernel in self.kernels.values() if len(kernel.shape) == 4]
            widths = {int(shape[3]) if shape[3] > 1 else int(shape[2]) for shape in sizes}
            self.ones = {str(width): tf.Variable(tf.ones(width)) for width in widths}
            self.zeros = {str(width): tf.Variable(tf.zeros(width)) for width in widths}

        def normalised(self, x: tf.Tensor) -> tf.Tensor:
            width = str(x.shape[-1])
            one, zero = self.ones[width], self.zeros[width]
            done = tf.compat.v1.nn.fused_batch_norm(
                x, one, zero, zero, one, epsilon=net.EPSILON, is_training=False
            )
            return tf.nn.relu(done[0])

        def rows(self, samples: tf.Tensor) -> tf.Tensor:
            padded = tf.pad(samples, [[0, net.WINDOW - net.HOP]])
            spectrum = tf.abs(tf.signal.stft(padded, net.WINDOW, net.HOP, net.N_FFT))
            mel = tf.math.log(tf.matmul(spectrum, net.mel_bank()) + net.OFFSET)
            return tf.signal.frame(mel, net.ROWS, net.ROWS, axis=0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, samples: tf.Tensor) -> tf.Tensor:
            x = tf.reshape(self.rows(samples), [-1, net.ROWS, net.BANDS, 1])
            stride = net.LAYERS[0][0]
            x = self.normalised(tf.nn.conv2d(x, self.kernels["0"], stride, "SAME"))
            for number, (stride, _) in enumerate(net.LAYERS[1:], 1):
                depthwise, strides = self.kernels[f"{number}.depthwise"], [1, stride, stride, 1]
                x = self.normalised(tf.nn.depthwise_conv2d(x, depthwise, strides, "SAME"))
                x = self.normalised(tf.nn.conv2d(x, self.kernels[f"{number}.pointwise"], 1, "SAME"))
            embedding = tf.reshape(tf.reduce_mean(x, [1, 2]), [-1, net.EMBEDDING])
            return tf.matmul(embedding, self.kernels["dense"])

    tf.saved_model.save(Yamnet(), str(folder))


def load(engine: str, model: Path) -> Predict:
    """The network, from samples to activations."""
    if engine == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda samples: session.run(["logits"], {"input": samples})[0]
    import tensorflow as tf

    known = tf.saved_model.load(str(model))
    return lambda samples: known(samples).numpy()


def run(engine: str, model: Path, recording: Path, table: Path) -> None:
    """One recording through the three threads."""
    samples_of, results = Queue[tuple[float, np.ndarray] | None](2), Queue[tuple[float, np.ndarray] | None]()
    convert: Callable[[np.ndarray], np.ndarray] = np.ascontiguousarray
    if engine == "tensorflow":
        import tensorflow as tf

        convert = tf.convert_to_tensor
    part = table.with_name(f"{table.stem}_part.csv")
    threads = [
        threading.Thread(target=stream, args=(recording, convert, samples_of)),
        threading.Thread(target=infer, args=(engine, model, samples_of, results)),
        threading.Thread(target=write, args=(part, results)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pd.read_csv(part).sort_values("start").to_csv(table, index=False)
    part.unlink()


def stream(recording: Path, convert: Callable[[np.ndarray], np.ndarray], out: Queue) -> None:
    """Chunks of samples at the network's rate, with their starts in seconds; None at the end."""
    with soundfile.SoundFile(recording) as track:
        rate, end_s, start_s = track.samplerate, track.frames / track.samplerate, 0.0
        while start_s < end_s:
            stop_s = min(start_s + CHUNK_S, end_s)
            track.seek(int(start_s * rate))
            samples = track.read(int(stop_s * rate) - int(start_s * rate), dtype=np.float32)
            if track.channels > 1:
                samples = np.mean(samples, axis=1)
            samples = librosa.resample(y=samples, orig_sr=rate, target_sr=net.RATE_HZ)
            frames = max(round(len(samples) / net.FRAME), 1)
            out.put((start_s, convert(librosa.util.fix_length(samples, size=frames * net.FRAME))))
            start_s = stop_s
    out.put(None)


def infer(engine: str, model: Path, chunks: Queue, out: Queue) -> None:
    """Activations of each chunk."""
    predict = load(engine, model)
    while (chunk := chunks.get()) is not None:
        out.put((chunk[0], predict(chunk[1])))
    out.put(None)


def write(part: Path, results: Queue) -> None:
    """Rows with two decimals, as they come."""
    part.unlink(missing_ok=True)
    while (result := results.get()) is not None:
        start_s, activations = result
        names = [f"activation_{name}" for name in net.CLASSES]
        rows = pd.DataFrame(activations.round(2), columns=names)
        rows.insert(0, "start", (start_s + FRAME_S * np.arange(len(rows))).round(2))
        rows.to_csv(part, mode="a", header=not part.exists(), index=False)


if __name__ == "__main__":
    action, engine, *paths = sys.argv[1:]
    if action == "make":
        make(Path(paths[0]))
    else:
        run(engine, *map(Path, paths))

"""The network as ONNX: for sonoscope, which makes the rows itself, and from the waveform on, as buzzdetect's later
versions ship their models."""

from __future__ import annotations

from pathlib import Path

import network as net
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and constants, one after another; ``at`` is the name of the last output."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray) -> str:
        """A new constant's name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, *constants: np.ndarray, to: str = "", **attributes: object) -> str:
        """A node that takes the last output, and these constants."""
        names = [self.constant(value) for value in constants]
        name = to or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.at, *names], [name], **attributes))
        self.at = name
        return name

    def convolution(self, kernel: np.ndarray, stride: int, groups: int = 1) -> None:
        """With batch normalisation and rectifier, padded as TensorFlow does."""
        moved = kernel.transpose(2, 3, 0, 1) if groups > 1 else kernel.transpose(3, 2, 0, 1)
        self.add("Conv", moved, strides=[stride, stride], auto_pad="SAME_UPPER", group=groups)
        channels = moved.shape[0]
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.add("BatchNormalization", ones, zeros, zeros, ones, epsilon=net.EPSILON)
        self.add("Relu")


def write(file: Path, *, waveform: bool) -> None:
    """The graph of rows ``(batch, rows, bands)``, or of whole frames of samples ``(samples,)``, into a file."""
    graph = Graph("input")
    if waveform:
        log_mel(graph)
    graph.add("Unsqueeze", np.array([1]))
    kernels = net.weights()
    graph.convolution(kernels["0"], net.LAYERS[0][0])
    for number, (stride, _) in enumerate(net.LAYERS[1:], 1):
        depthwise = kernels[f"{number}.depthwise"]
        graph.convolution(depthwise, stride, groups=depthwise.shape[2])
        graph.convolution(kernels[f"{number}.pointwise"], 1)
    graph.add("ReduceMean", np.array([2, 3]), to="embedding", keepdims=0)
    graph.add("MatMul", kernels["dense"], to="logits")
    shape = ["samples"] if waveform else ["batch", net.ROWS, net.BANDS]
    known = helper.make_graph(
        graph.nodes, "yamnet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(net.CLASSES)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", net.EMBEDDING]),
        ],
        graph.constants,
    )  # fmt: skip
    model = helper.make_model(known, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def log_mel(graph: Graph) -> None:
    """Rows from samples: the transform as a convolution, as exported graphs have it."""
    angles = 2 * np.pi * np.outer(np.arange(net.N_FFT // 2 + 1), np.arange(net.WINDOW)) / net.N_FFT
    waves = np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32) * net.hann()
    graph.add("Unsqueeze", np.array([0, 1]))
    # The last frame's last rows need what follows: zeros.
    graph.add("Pad", np.array([0, 0, 0, 0, 0, net.WINDOW - net.HOP]))
    graph.add("Conv", waves[:, None, :], strides=[net.HOP])
    graph.add("Reshape", np.array([2, net.N_FFT // 2 + 1, -1]))
    graph.add("ReduceL2", np.array([0]), keepdims=0)
    graph.add("Transpose", perm=[1, 0])
    graph.add("MatMul", net.mel_bank())
    graph.add("Add", np.array([net.OFFSET], np.float32))
    graph.add("Log")
    graph.add("Reshape", np.array([-1, net.ROWS, net.BANDS]))

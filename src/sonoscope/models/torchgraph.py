"""An ONNX graph run by torch, on a GPU: for machines that have a torch with CUDA and no ONNX Runtime with it.

The weights are those in the graph, not copies in another precision, and nothing is translated but operators: a table
with one line for each that the graphs of this package and common networks are made of, by ONNX's definitions
(onnx.ai/onnx/operators). One that is not in it is named in the refusal. Shapes and indices stay on the CPU, so that
reading one never waits for the device. Sums are in full float32: a GPU's shorter formats are switched off.

It answers to ``run``, ``get_inputs`` and ``get_outputs`` as a session of ONNX Runtime does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from sonoscope.errors import UsageError

Attributes = Mapping[str, Any]
Operator = Callable[..., Any]


class _Step(NamedTuple):
    operator: Operator
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    #: What no later step reads.
    spent: tuple[str, ...]


class TorchGraph:
    """A graph, its weights on a device.

    Parameters
    ----------
    path : Path
        The ONNX file.
    device : str
        As torch calls it.

    Raises
    ------
    UsageError
        If the graph has an operator that is not in the table.
    """

    def __init__(self, path: Path, device: str = "cuda") -> None:
        import onnx
        import torch
        from onnx import numpy_helper

        model = onnx.load(str(path))
        table = operators()
        foreign = {
            n.op_type for n in model.graph.node if n.op_type not in table or n.domain not in ("", "ai.onnx")
        }
        if foreign:
            raise UsageError(
                f"{path}: torch cannot run its operators {', '.join(sorted(foreign))}; ONNX Runtime can"
            )
        self.device = torch.device(device)
        self._values = {
            entry.name: self._placed(torch.from_numpy(numpy_helper.to_array(entry).copy()))
            for entry in model.graph.initializer
        }
        self._inputs, self._outputs = (
            [e.name for e in ends] for ends in (model.graph.input, model.graph.output)
        )
        self._steps = tuple(self._laid_out(model.graph, table))

    def _placed(self, tensor: Any) -> Any:
        """Numbers on the device, shapes and indices on the CPU."""
        return tensor.to(self.device) if tensor.is_floating_point() else tensor

    def _laid_out(self, graph: Any, table: Mapping[str, Operator]) -> list[_Step]:
        from onnx import helper

        last: dict[str, int] = {name: k for k, node in enumerate(graph.node) for name in node.input}
        kept = {*self._values, *self._outputs}
        steps = []
        for k, node in enumerate(graph.node):
            attributes = {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute}
            spent = tuple({name for name in node.input if name and last[name] == k} - kept)
            steps.append(_Step(table[node.op_type], attributes, tuple(node.input), tuple(node.output), spent))
        return steps

    def get_inputs(self) -> list[SimpleNamespace]:
        """The inputs, each with a ``name``."""
        return [SimpleNamespace(name=name) for name in self._inputs if name not in self._values]

    def get_outputs(self) -> list[SimpleNamespace]:
        """The outputs, each with a ``name``."""
        return [SimpleNamespace(name=name) for name in self._outputs]

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names (None: all) for arrays by the inputs' names."""
        import torch

        values = dict(self._values)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for name, array in feeds.items():
                values[name] = self._placed(torch.from_numpy(np.require(array, requirements=("C", "W"))))
            for step in self._steps:
                given = [values[name] if name else None for name in step.inputs]
                found = step.operator(step.attributes, *given)
                several = found if isinstance(found, tuple | list) else (found,)
                values.update(
                    (name, self._beside(value)) for name, value in zip(step.outputs, several, strict=False)
                )
                for name in step.spent:
                    values.pop(name, None)
            return [values[name].cpu().numpy() for name in names or self._outputs]

    def _beside(self, tensor: Any) -> Any:
        """What an operator made of whole numbers alone (a mask, a ramp) goes to where it belongs."""
        return tensor if tensor.device == self.device else self._placed(tensor)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _numbers(tensor: Any) -> list[int]:
    return [int(v) for v in tensor.reshape(-1).tolist()]


def operators() -> dict[str, Operator]:
    """ONNX's operators as functions of attributes and tensors."""
    import torch
    from torch.nn import functional

    def unary(function: Callable[[Any], Any]) -> Operator:
        return lambda _, x: function(x)

    def binary(function: Callable[..., Any]) -> Operator:
        return lambda _, a, b: function(*_together(a, b))

    return {
        **{name: unary(getattr(torch, name.lower())) for name in (
            "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Round", "Sigmoid",
            "Sign", "Sin", "Sqrt", "Tanh")},
        **{name: binary(getattr(torch, function)) for name, function in {
            "Add": "add", "Sub": "sub", "Mul": "mul", "Pow": "pow", "Mod": "remainder", "Equal": "eq", "Less": "lt",
            "LessOrEqual": "le", "Greater": "gt", "GreaterOrEqual": "ge", "And": "logical_and", "Or": "logical_or",
            "MatMul": "matmul"}.items()},
        "Div": binary(_divided),
        **{f"Reduce{name}": _reduced(getattr(torch, function)) for name, function in {
            "Mean": "mean", "Sum": "sum", "Max": "amax", "Min": "amin"}.items()},
        "Not": unary(torch.logical_not),
        "Identity": unary(lambda x: x),
        "Dropout": lambda _, x, *rest: x,
        "Max": lambda _, *x: _all(torch.maximum, x),
        "Min": lambda _, *x: _all(torch.minimum, x),
        "Where": lambda _, c, a, b: torch.where(_together(c, a)[0], *_together(a, b)),
        "Clip": _clipped,
        "LeakyRelu": lambda a, x: functional.leaky_relu(x, a.get("alpha", 0.01)),
        "HardSigmoid": lambda a, x: torch.clamp(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1),
        "HardSwish": lambda _, x: functional.hardswish(x),
        "Gelu": lambda a, x: functional.gelu(x, approximate=a.get("approximate", "none")),
        "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
        "Softplus": unary(functional.softplus),
        "Cast": lambda a, x: x.to(_dtype(a["to"])),
        "Constant": _constant,
        "ConstantOfShape": _constant_of_shape,
        "Range": lambda _, first, end, step: torch.arange(first.item(), end.item(), step.item(), dtype=first.dtype),
        "Shape": lambda a, x: torch.tensor(x.shape, dtype=torch.int64)[a.get("start", 0) : a.get("end")],
        "Reshape": _reshaped,
        "Flatten": lambda a, x: x.reshape(int(np.prod(x.shape[: a.get("axis", 1)])), -1),
        "Transpose": lambda a, x: x.permute(a.get("perm", list(range(x.ndim))[::-1])),
        "Squeeze": _squeezed,
        "Unsqueeze": _unsqueezed,
        "Expand": lambda _, x, shape: x.expand(torch.broadcast_shapes(x.shape, _numbers(shape))),
        "Concat": lambda a, *x: torch.cat(_all_together(x), a["axis"]),
        "Split": _split,
        "Slice": _sliced,
        "Gather": _gathered,
        "GatherND": _gathered_nd,
        "Pad": _padded,
        "Conv": _convolved,
        "Gemm": _gemm,
        "BatchNormalization": lambda a, x, w, b, m, v: functional.batch_norm(x, m, v, w, b, eps=a.get("epsilon", 1e-5)),
        "LayerNormalization": lambda a, x, w, b=None: functional.layer_norm(
            x, x.shape[a.get("axis", -1) :], w, b, a.get("epsilon", 1e-5)),
        "MaxPool": lambda a, x: _pooled(a, x, largest=True),
        "AveragePool": lambda a, x: _pooled(a, x, largest=False),
        "GlobalAveragePool": lambda _, x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True),
        "GlobalMaxPool": lambda _, x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True),
    }  # fmt: skip


def _together(a: Any, b: Any) -> tuple[Any, Any]:
    """Two tensors on one device: that of the one that is not on the CPU."""
    if a.device == b.device:
        return a, b
    device = b.device if a.device.type == "cpu" else a.device
    return a.to(device), b.to(device)


def _all_together(tensors: Sequence[Any]) -> list[Any]:
    device = next((t.device for t in tensors if t.device.type != "cpu"), tensors[0].device)
    return [t.to(device) for t in tensors]


def _all(function: Callable[[Any, Any], Any], tensors: Sequence[Any]) -> Any:
    found = tensors[0]
    for other in tensors[1:]:
        found = function(*_together(found, other))
    return found


def _divided(a: Any, b: Any) -> Any:
    import torch

    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def _clipped(_: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    least, most = (None if bound is None else bound.item() for bound in (low, high))
    return x.clamp(least, most) if (least, most) != (None, None) else x


def _reduced(function: Callable[..., Any]) -> Operator:
    def reduce(attributes: Attributes, x: Any, axes: Any = None) -> Any:
        given = attributes.get("axes") if axes is None else _numbers(axes)
        if not given:
            if attributes.get("noop_with_empty_axes", 0):
                return x
            given = range(x.ndim)
        return function(x, dim=tuple(given), keepdim=bool(attributes.get("keepdims", 1)))

    return reduce


def _dtype(code: int) -> Any:
    import torch
    from onnx import helper

    return torch.from_numpy(np.zeros(0, dtype=helper.tensor_dtype_to_np_dtype(code))).dtype


def _constant(attributes: Attributes) -> Any:
    import torch
    from onnx import numpy_helper

    if "value" in attributes:
        return torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
    (value,) = attributes.values()
    return torch.tensor(value)


def _constant_of_shape(attributes: Attributes, shape: Any) -> Any:
    import torch
    from onnx import numpy_helper

    value = numpy_helper.to_array(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
    return torch.from_numpy(np.broadcast_to(value, _numbers(shape)).copy())


def _reshaped(attributes: Attributes, x: Any, shape: Any) -> Any:
    wanted = _numbers(shape)
    if not attributes.get("allowzero", 0):
        wanted = [x.shape[k] if size == 0 else size for k, size in enumerate(wanted)]
    return x.reshape(wanted)


def _squeezed(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    given = attributes.get("axes") if axes is None else _numbers(axes)
    return x.squeeze() if given is None else x.squeeze(tuple(given))


def _unsqueezed(attributes: Attributes, x: Any, axes: Any = None) -> Any:
    given = attributes["axes"] if axes is None else _numbers(axes)
    for axis in sorted(axis % (x.ndim + len(given)) for axis in given):
        x = x.unsqueeze(axis)
    return x


def _split(attributes: Attributes, x: Any, sizes: Any = None) -> Any:
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return x.split(_numbers(sizes), axis)
    return x.split(-(-x.shape[axis] // attributes["num_outputs"]), axis)


def _sliced(_: Attributes, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    first, last = _numbers(starts), _numbers(ends)
    along = list(range(len(first))) if axes is None else _numbers(axes)
    strides = [1] * len(first) if steps is None else _numbers(steps)
    for start, end, axis, stride in zip(first, last, along, strides, strict=True):
        if stride < 0:
            import torch

            index = torch.tensor(
                list(range(x.shape[axis]))[start : None if end < -x.shape[axis] else end : stride]
            )
            x = x.index_select(axis, index.to(x.device))
        else:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, stride),)]
    return x


def _gathered(attributes: Attributes, x: Any, index: Any) -> Any:
    import torch

    axis = attributes.get("axis", 0) % x.ndim
    flat = index.reshape(-1).to(x.device)
    taken = torch.index_select(x, axis, torch.where(flat < 0, flat + x.shape[axis], flat))
    return taken.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _gathered_nd(attributes: Attributes, x: Any, index: Any) -> Any:
    if attributes.get("batch_dims", 0):
        raise UsageError("torch cannot run GatherND with batch_dims; ONNX Runtime can")
    return x[tuple(index.to(x.device).unbind(-1))]


def _padded(attributes: Attributes, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Any:
    from torch.nn import functional

    given = _numbers(pads)
    along = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in _numbers(axes)]
    half = len(along)
    sides = {axis: (given[k], given[k + half]) for k, axis in enumerate(along)}
    flat = [amount for axis in reversed(range(x.ndim)) for amount in sides.get(axis, (0, 0))]
    mode = attributes.get("mode", "constant")
    if mode == "constant":
        return functional.pad(x, flat, value=0.0 if value is None else float(value))
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    return functional.pad(x, flat, mode="replicate" if mode == "edge" else mode)


def _around(attributes: Attributes, x: Any, kernel: Sequence[int]) -> tuple[Any, list[int], list[int]]:
    """What a sliding operator sees: its input with zeros around it, strides and dilations."""
    from torch.nn import functional

    n = len(kernel)
    strides, dilations = (list(attributes.get(name, [1] * n)) for name in ("strides", "dilations"))
    pads = list(attributes.get("pads", [0] * 2 * n))
    auto = attributes.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        for k in range(n):
            size = x.shape[2 + k]
            total = max(
                (-(-size // strides[k]) - 1) * strides[k] + dilations[k] * (kernel[k] - 1) + 1 - size, 0
            )
            pads[k], pads[k + n] = (total // 2, total - total // 2)[:: 1 if auto == "SAME_UPPER" else -1]
    if any(pads):
        flat = [side for k in reversed(range(n)) for side in (pads[k], pads[k + n])]
        x = functional.pad(x, flat, value=attributes.get("filled", 0.0))
    return x, strides, dilations


def _convolved(attributes: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    from torch.nn import functional

    x, strides, dilations = _around(attributes, x, weight.shape[2:])
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[weight.ndim - 3]
    return convolve(x, weight, bias, stride=strides, dilation=dilations, groups=attributes.get("group", 1))


def _pooled(attributes: Attributes, x: Any, *, largest: bool) -> Any:
    from torch.nn import functional

    kernel = list(attributes["kernel_shape"])
    if attributes.get("ceil_mode", 0) or (not largest and any(attributes.get("pads", ()))):
        raise UsageError("torch cannot run this pooling (ceil_mode, or means over padding); ONNX Runtime can")
    filled = {**attributes, "filled": -float("inf")} if largest else attributes
    x, strides, dilations = _around(filled, x, kernel)
    if largest:
        pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(kernel) - 1]
        return pool(x, kernel, strides, dilation=dilations)
    mean = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[len(kernel) - 1]
    return mean(x, kernel, strides)


def _gemm(attributes: Attributes, a: Any, b: Any, c: Any = None) -> Any:
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + attributes.get("beta", 1.0) * c

"""Writing ONNX graphs by hand: a few nodes, constants, and whole graphs of other bundles set among them.

Operators are those of ONNX's default domain, so that any ONNX Runtime runs them; graphs of others bring their own. What
is computed in double says so by its constants (:meth:`Writer.double`); those that are kept as float32 are cast once
when the graph is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UsageError

#: Of graphs that hold no other bundle's.
OPSET = 18
#: The oldest runtimes that are promised (onnxruntime 1.18) read this version of the file format.
IR_VERSION = 9
#: Names of ONNX's default domain.
OWN = ("", "ai.onnx")


class Writer:
    """Nodes of a graph, added one by one; each answers with the name of what it gives.

    Parameters
    ----------
    opset : int
        Version of the operators.
    prefix : str
        What every name begins with: those of a graph within another must be its own.
    """

    def __init__(self, opset: int = OPSET, prefix: str = "") -> None:
        self.opset, self._prefix = opset, prefix
        self._nodes: list[Any] = []
        self._values: list[Any] = []
        self._domains: dict[str, int] = {}
        self._count = 0

    def name(self, stem: str) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{self._prefix}{stem}_{self._count}"

    def constant(self, array: np.ndarray) -> str:
        """A constant as it is."""
        from onnx import numpy_helper

        name = self.name("constant")
        # np.ascontiguousarray would give a number an axis, which operators that want a number refuse here and there.
        self._values.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def double(self, array: np.ndarray) -> str:
        """A constant as double; what is float32 is kept as such and cast."""
        array = np.asarray(array)
        if array.dtype == np.float32:
            return self.cast(self.constant(array), np.float64)
        return self.constant(array.astype(np.float64))

    def numbers(self, *values: int) -> str:
        """Whole numbers: shapes, axes."""
        return self.constant(np.array(values, dtype=np.int64))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """A node with one output; its name. ``outputs`` adds others, called ``NAME:1`` and on."""
        from onnx import helper

        name = self.name(operator.lower())
        names = [name, *(f"{name}:{k}" for k in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return name

    def cast(self, name: str, dtype: type) -> str:
        """Another type."""
        from onnx import helper

        return self.node("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def columns(self, name: str, first: int, last: int) -> str:
        """Columns ``first..last - 1`` of the last axis."""
        return self.node("Slice", name, self.numbers(first), self.numbers(last), self.numbers(-1))

    def include(self, path: Path, given: dict[str, str], wanted: str) -> str:
        """Set a whole graph among the nodes, as much of it as ``wanted`` needs; :meth:`included` for one output."""
        return self.included(path, given, [wanted])[0]

    def included(self, path: Path, given: dict[str, str], wanted: Sequence[str]) -> list[str]:
        """Set a whole graph among the nodes, as much of it as ``wanted`` needs.

        Parameters
        ----------
        path : Path
            An ONNX file.
        given : dict
            Its input to what it is given here.
        wanted : sequence of str
            The outputs of it that are given back, in this order.

        Operators of an older version are brought to that of this graph.

        Raises
        ------
        UsageError
            If its operators are of a newer version, or cannot be brought to this one.
        """
        from onnx import compose, helper
        from onnx.utils import Extractor

        whole = self._loaded(path)
        part = Extractor(whole).extract_model(list(given), list(wanted))
        self._domains |= {each.domain: each.version for each in whole.opset_import if each.domain not in OWN}
        prefix = f"{self.name('part')}/"
        part = compose.add_prefix(part, prefix)
        for inner, outer in given.items():
            self._nodes.append(helper.make_node("Identity", [outer], [prefix + inner]))
        self._nodes += list(part.graph.node)
        self._values += list(part.graph.initializer)
        return [prefix + name for name in wanted]

    def _loaded(self, path: Path) -> Any:
        """A model in this graph's version of the operators."""
        import onnx
        from onnx import inliner, version_converter

        model = onnx.load(str(path))
        if model.functions:
            model = inliner.inline_local_functions(model)
        opset = opset_of(model)
        if opset == self.opset:
            return model
        remedy = "export one of the models again"
        if opset > self.opset:
            raise UsageError(
                f"{path}: its operators are of version {opset}, those beside it of version {self.opset}: {remedy}"
            )
        try:
            return version_converter.convert_version(model, self.opset)
        except Exception as problem:  # the converter is C++ and raises what it likes
            reason = str(problem).strip().splitlines()[0]
            raise UsageError(
                f"{path}: its operators are of version {opset} and cannot be brought to version {self.opset} "
                f"({reason}): {remedy}"
            ) from None

    def scan(self, body: Writer, name: str, rows: str, found: Sequence[str]) -> list[str]:
        """Run the nodes of ``body`` for each line of ``rows``, one after the other; its answers, line under line.

        Parameters
        ----------
        body : Writer
            Nodes that begin with ``name``, a line of the rows.
        name, rows : str
        found : sequence of str
            What the body gives back of each line.
        """
        from onnx import TensorProto, helper

        ends = [self.name("line") for _ in found]
        nodes = [
            *body._nodes,
            *(helper.make_node("Identity", [a], [b]) for a, b in zip(found, ends, strict=True)),
        ]
        graph = helper.make_graph(
            nodes,
            self.name("body"),
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
            [helper.make_tensor_value_info(end, TensorProto.FLOAT, None) for end in ends],
            body._values,
        )
        self._domains |= body._domains
        tables = [self.name("scanned") for _ in found]
        self._nodes.append(helper.make_node("Scan", [rows], tables, body=graph, num_scan_inputs=1))
        return tables

    def model(self, takes: dict[str, list[int | str]], gives: dict[str, tuple[str, list[int | str]]]) -> Any:
        """The whole model: inputs with their shapes, and outputs, each what it is here and its shape; float32.

        Shapes hold numbers, and names for what may vary.
        """
        import onnx
        from onnx import TensorProto, helper

        ends = [helper.make_node("Identity", [inner], [name]) for name, (inner, _) in gives.items()]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in takes.items()
        ]
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, (_, shape) in gives.items()
        ]
        graph = helper.make_graph([*self._nodes, *ends], "sonoscope", inputs, outputs, self._values)
        domains = {"": self.opset, **self._domains}
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*each) for each in domains.items()],
            producer_name="sonoscope",
        )
        made.ir_version = max(IR_VERSION, helper.find_min_ir_version_for(made.opset_import[:1]))
        onnx.checker.check_model(made)
        return made


def opset_of(model: Any) -> int:
    """Version of the operators of ONNX's own domain."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in OWN))


def opset_in(path: Path) -> int:
    """The same, of a file."""
    import onnx

    return opset_of(onnx.load(str(path), load_external_data=False))

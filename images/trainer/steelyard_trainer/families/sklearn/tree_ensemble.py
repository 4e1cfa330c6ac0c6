"""Trees as one `TreeEnsemble` of ai.onnx.ml, version 5, in as few bytes as that takes
(https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html). Imports numpy, and onnx when it writes.

Equal leaves are stored once: several nodes may point to one (not to a node: ONNX Runtime refuses that). Lists of
integers are packed (https://protobuf.dev/programming-guides/encoding/#packed), which every reader understands and
onnx's own writer, of proto2, does not do: a byte less for each. Hit rates and what says nothing are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.serving.estimators import ONNX_INPUT

ONNX_OUTPUT = "outputs"
TREES = "trees"
"""What the trees give, where more follows: of each row a number for each target."""
Number: TypeAlias = type[np.float32] | type[np.float64]

_OPSETS = {"": 21, "ai.onnx.ml": 5}
_IR_VERSION = 10
# Of the specification's `aggregate_function` and `nodes_modes`.
_AVERAGE, _SUM = 0, 1
_LESS_OR_EQUAL, _MEMBER = 0, 6

Side: TypeAlias = tuple[int, bool]
"""What lies below a node, or is a tree: its place among the leaves or among the nodes, and whether it is a leaf."""
_Node: TypeAlias = tuple[int, int, float, bool, tuple[float, ...], Side, Side]


@dataclass
class TreeEnsemble:
    """Trees, as they grow: leaves first, roots last."""

    number: Number
    """Of the rows, the thresholds and the leaves."""
    targets: int
    """How many numbers it gives of a row."""
    is_mean: bool = False
    """Whether a number is the mean of the trees', and not their sum; all trees count then, whichever target is theirs.
    """
    _leaves: dict[tuple[float, int], int] = field(default_factory=dict)
    _nodes: list[_Node] = field(default_factory=list)
    _roots: list[int] = field(default_factory=list)

    def leaf(self, value: float, target: int = 0) -> Side:
        """A leaf that adds a value to a target."""
        return self._leaves.setdefault((float(self.number(value)), target), len(self._leaves)), True

    def split(self, feature: int, threshold: float, left: Side, right: Side, *, missing_is_left: bool = False) -> Side:
        """A node: what is not above the threshold goes left.

        Args:
            feature: its place in a row.
            threshold: rounded to the nearest number of the type.
            left: what is below it there.
            right: the other side.
            missing_is_left: where NaN goes.
        """
        return self._node((feature, _LESS_OR_EQUAL, threshold, missing_is_left, (), left, right))

    def member(self, feature: int, inside: Sequence[float], left: Side, right: Side) -> Side:
        """A node: what is one of the numbers goes left; everything else, NaN too, right."""
        return self._node((feature, _MEMBER, 0.0, False, tuple(inside), left, right))

    def tree(self, side: Side) -> None:
        """Makes what was grown a tree."""
        # A tree must begin with a node: both of its sides are the leaf.
        self._roots.append((self.split(0, 0.0, side, side) if side[1] else side)[0])

    def _node(self, node: _Node) -> Side:
        self._nodes.append(node)
        return len(self._nodes) - 1, False

    def to_bytes(self, output: str) -> bytes:
        """The operator as a message NodeProto, from ONNX_INPUT to an output."""
        features, modes, thresholds, missing, members, lefts, rights = map(list, zip(*self._nodes, strict=True))
        values, targets = map(list, zip(*self._leaves, strict=True))
        sets = [
            number
            for mode, inside in zip(modes, members, strict=True)
            if mode == _MEMBER
            for number in (*inside, np.nan)
        ]
        integers: dict[str, Sequence[Any]] = {
            "tree_roots": self._roots,
            "nodes_featureids": features,
            "nodes_truenodeids": [place for place, _ in lefts],
            "nodes_trueleafs": [is_leaf for _, is_leaf in lefts],
            "nodes_falsenodeids": [place for place, _ in rights],
            "nodes_falseleafs": [is_leaf for _, is_leaf in rights],
            "leaf_targetids": targets,
        }
        if any(missing):
            integers["nodes_missing_value_tracks_true"] = missing
        tensors: dict[str, npt.NDArray[Any]] = {
            "nodes_modes": np.array(modes, np.uint8),
            "nodes_splits": np.array(thresholds, self.number),
            "leaf_weights": np.array(values, self.number),
        }
        if sets:
            tensors["membership_values"] = np.array(sets, self.number)
        numbers = {"aggregate_function": _AVERAGE if self.is_mean else _SUM, "n_targets": self.targets}
        return _node_bytes(output, numbers, integers, tensors)


def model_bytes(
    trees: TreeEnsemble, nodes: Sequence[Any], constants: Mapping[str, npt.NDArray[Any]], width: int, outputs: int
) -> bytes:
    """A .onnx file, from ONNX_INPUT to ONNX_OUTPUT.

    Args:
        trees: the first operator.
        nodes: those that follow, from TREES on, in their order; without any the trees say what the model does.
        constants: what these use, by name.
        width: features of a row.
        outputs: numbers of a row.
    """
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(trees.number))
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(ONNX_INPUT, kind, [None, width])],
        [helper.make_tensor_value_info(ONNX_OUTPUT, kind, [None, outputs])],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="steelyard")
    model.ClearField("graph")
    # A message's parts may come in any order, those of a list one after the other.
    whole = _field(1, trees.to_bytes(TREES if nodes else ONNX_OUTPUT)) + graph.SerializeToString()
    return bytes(model.SerializeToString() + _field(7, whole))


def _node_bytes(
    output: str,
    numbers: Mapping[str, int],
    integers: Mapping[str, Sequence[Any]],
    tensors: Mapping[str, npt.NDArray[Any]],
) -> bytes:
    """A message NodeProto; the numbers of its parts are those of onnx.proto."""
    from onnx import AttributeProto, NodeProto, helper, numpy_helper

    node = NodeProto(input=[ONNX_INPUT], output=[output], op_type="TreeEnsemble", domain="ai.onnx.ml")
    node.attribute.extend(helper.make_attribute(name, value) for name, value in numbers.items())
    node.attribute.extend(
        helper.make_attribute(name, numpy_helper.from_array(value)) for name, value in tensors.items()
    )
    lists = b""
    for name, values in integers.items():
        attribute = AttributeProto(name=name, type=AttributeProto.INTS)
        lists += _field(5, attribute.SerializeToString() + _field(8, _varints(values)))
    return bytes(node.SerializeToString() + lists)


def _field(number: int, content: bytes) -> bytes:
    """A part of a message: its number, its length and what it is."""
    return _varints([number << 3 | 2, len(content)]) + content


def _varints(values: Sequence[int]) -> bytes:
    """Integers, none negative, seven bits a byte, the lowest first; the highest bit says that more follow."""
    numbers = np.asarray(values, dtype=np.int64).reshape(-1, 1)
    shifts = np.arange(0, max(1, int(numbers.max(initial=0)).bit_length()), 7)
    shifted = numbers >> shifts
    has_more = shifted >= 128
    is_there = np.hstack([np.ones_like(numbers, dtype=np.bool_), has_more[:, :-1]])
    return bytes(((shifted & 127) | (has_more << 7)).astype(np.uint8)[is_there].tobytes())

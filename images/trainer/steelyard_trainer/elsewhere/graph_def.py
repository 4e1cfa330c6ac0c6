"""What is looked at of a TensorFlow graph before it is run: that every operator that its answers need is one of a list,
none of which reads or writes files, speaks to a network, runs Python or keeps anything. Imports the protocol buffers of
TensorFlow when a graph is looked at.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from steelyard_trainer.elsewhere.archive import RefusedError

_OPERATORS = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd
    BroadcastTo Cast Ceil ClipByValue ConcatV2 Const Conv2D Conv2DBackpropInput Cos Cumsum DepthToSpace
    DepthwiseConv2dNative Div DivNoNan Einsum Elu EnsureShape Equal Erf Erfc Erfinv Exp ExpandDims Expm1 Fill Floor
    FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual
    Identity IdentityN IsFinite IsInf IsNan LeakyRelu Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot
    LogicalOr MatMul Max MaxPool MaxPoolV2 Maximum Mean Min Minimum MirrorPad Mul MulNoNan Neg NoOp NotEqual OneHot
    OnesLike Pack Pad PadV2 Placeholder Pow PreventGradient Prod Range Rank RealDiv Reciprocal Relu Relu6 Reshape
    ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Size
    Slice Softmax Softplus Softsign SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
    StopGradient StridedSlice Sub Sum Tanh Tile TopKV2 Transpose Unpack Xdivy ZerosLike
    """
OPERATORS = frozenset(_OPERATORS.split())
"""Of TensorFlow. Loops are not among them: a graph ends."""
_OF_VARIABLES = frozenset(
    {"DisableCopyOnRead", "PartitionedCall", "ReadVariableOp", "ResourceGather", "StatefulPartitionedCall"}
)
"""What calls a function of the same file, which is looked at, too, and what reads a variable, which becomes a
constant."""
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
MOST_NAMED = 20


def check_graph(graph: Any, outputs: Iterable[str]) -> None:
    """Looks through what a frozen graph's outputs need. Raises RefusedError for the operators that are not allowed.

    Args:
        graph: a GraphDef.
        outputs: names of nodes.
    """
    _check(set(_reached(_nodes(graph.node), outputs)), OPERATORS)


def check_function(graph: Any, name: str) -> None:
    """Looks through a function of a graph's library, and those that it calls. Raises as `check_graph`.

    Args:
        graph: a GraphDef.
        name: of the function.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    if name not in functions:
        raise RefusedError(f"it is damaged: its function {name!r:.60} is not there")
    waiting, seen, found = [name], {name}, set[str]()
    while waiting:
        for node in functions[waiting.pop()].node_def:
            if node.op in functions:
                raise RefusedError(f"it calls {node.op!r:.60} in a way that TensorFlow 1 had; save it by TensorFlow 2")
            found.add(node.op)
            for called in _called(node):
                if called not in functions:
                    raise RefusedError(f"it is damaged: its function {called!r:.60} is not there")
                if called not in seen:
                    seen.add(called)
                    waiting.append(called)
    _check(found, OPERATORS | _OF_VARIABLES)


def _check(found: set[str], allowed: frozenset[str]) -> None:
    if unknown := sorted(found - allowed):
        named = ", ".join(f"{each:.60}" for each in unknown[:MOST_NAMED])
        raise RefusedError(
            f"it has the {'operator' if len(unknown) == 1 else 'operators'} {named}, which "
            f"{'is' if len(unknown) == 1 else 'are'} not known to be harmless; allowed: {', '.join(sorted(OPERATORS))}"
        )


def _nodes(nodes: Iterable[Any]) -> dict[str, Any]:
    return {node.name: node for node in nodes}


def _called(node: Any) -> Iterator[str]:
    """The functions that a node is told to call, whatever operator it is."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for each in value.list.func:
            yield each.name


def _reached(nodes: Mapping[str, Any], outputs: Iterable[str]) -> Iterator[str]:
    """The operators that outputs need; one that calls a function is not known to a frozen graph."""
    waiting = list(outputs)
    seen = set(waiting)
    while waiting:
        if (node := nodes.get(waiting.pop())) is None:
            raise RefusedError("it is damaged: a node is not there")
        yield node.op
        for given in node.input:
            name = given.removeprefix("^").partition(":")[0]
            if name not in seen:
                seen.add(name)
                waiting.append(name)

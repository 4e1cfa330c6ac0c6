"""Which kind of model a manifest gives, in CEL: a kind whose framework decides what it can do is told apart by that.
Imports the api only."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from steelyard.api.models import KINDS, capabilities_of
from steelyard.api.models.capabilities import Capabilities


@dataclass(frozen=True)
class Variant:
    """A kind of model, or one of its variants."""

    kind: str
    framework: str
    """What its field of that name says; empty where the kind has no variants."""
    capabilities: Capabilities


VARIANTS = tuple(
    Variant(kind, framework, capabilities)
    for kind, settings in KINDS.items()
    for framework, capabilities in zip(settings.variants or ("",), capabilities_of(kind), strict=True)
)


def variants(can: Callable[[Capabilities], object]) -> list[Variant]:
    """Those of which something is true, in their order."""
    return [each for each in VARIANTS if can(each.capabilities)]


def are_given(those: Collection[Variant], model: str = "self.model") -> list[str]:
    """CEL, for each of some: whether the model is of it. A kind of which all variants are named is one."""
    found: list[str] = []
    for each in those:
        of_kind = [variant for variant in VARIANTS if variant.kind == each.kind]
        is_kind = f"has({model}.{each.kind})"
        if all(variant in those for variant in of_kind):
            found += [is_kind] if each == of_kind[0] else []
        else:
            found.append(f"({is_kind} && {model}.{each.kind}.framework == '{each.framework}')")
    return found

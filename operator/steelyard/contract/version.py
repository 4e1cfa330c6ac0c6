"""The versions of this package and of its API. Imports the standard library only."""

from functools import cache
from importlib.metadata import version

API_VERSION = "steelyard.dev/v1alpha1"
"""`apiVersion` of both kinds, and of what is published."""


@cache
def package_version() -> str:
    """The version of the package `steelyard`, such as 0.1.0."""
    return version("steelyard")

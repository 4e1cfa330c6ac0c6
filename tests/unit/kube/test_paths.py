"""Where a request goes: never to more than was named."""

import pytest

from steelyard.api.errors import ConfigurationError
from steelyard.kube import path_of


def test_a_path_names_the_collection_the_object_or_its_subresource() -> None:
    jobs = "/apis/steelyard.dev/v1alpha1/namespaces/a/trainingjobs"
    assert path_of("trainingjobs", "a") == jobs
    assert path_of("trainingjobs", "a", "b c") == f"{jobs}/b%20c"
    assert path_of("trainingjobs", "a", "b", "status") == f"{jobs}/b/status"
    assert path_of("pods") == "/api/v1/pods"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../..", "%2e%2e"])
def test_what_is_no_name_leads_nowhere_else(name: str) -> None:
    """`steelyard delete "$UNSET"` must not delete all jobs."""
    with pytest.raises(ConfigurationError, match="is not a name; allowed: "):
        path_of("trainingjobs", "a", name)
    with pytest.raises(ConfigurationError, match="is not a namespace's name; allowed: "):
        path_of("trainingjobs", name)

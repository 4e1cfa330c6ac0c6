"""What is published of the search that a model is the best of. Imports steelyard.api and the page."""

import json
import os
from pathlib import Path

from steelyard.api.contract import Env
from steelyard.api.errors import ConfigurationError
from steelyard.api.published import SEARCH_FILE, SEARCH_PAGE_FILE
from steelyard.api.search_log import SearchDocument


def search_files(chosen: int | None) -> dict[str, bytes]:
    """search.json and search.html, by name; nothing where the environment names no search (STEELYARD_SEARCH_FILE).

    Args:
        chosen: the number of the trial that is published; None: the best by its value.

    Raises:
        ConfigurationError: the file holds no search.
        OSError: it can't be read.
    """
    if not (path := os.environ.get(Env.SEARCH_FILE)):
        return {}
    try:
        document = json.loads(Path(path).read_bytes())
        search = SearchDocument.from_json(document)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{Env.SEARCH_FILE}: {path} holds no search: {type(error).__name__}: {error}"
        ) from None
    # Brings scikit-learn and the charts, which only such a job needs.
    from steelyard_trainer.publishing.search_page import search_page

    text = json.dumps(search.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    return {SEARCH_FILE: f"{text}\n".encode(), SEARCH_PAGE_FILE: search_page(search, chosen).encode()}

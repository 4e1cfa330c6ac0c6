"""The tables that scikit-learn ships, `sklearn:NAME`: a source only. Imports the api; scikit-learn for one that is
opened."""

from collections.abc import Sequence

from steelyard.stores.base import SourceRecord, SourceStore, TableInMemory


class SklearnSets(SourceStore):
    """One of scikit-learn's tables. They are small, and part of its version."""

    def identity(
        self,
        files: Sequence[str] = (),  # noqa: ARG002 - there are none
        remembered: SourceRecord | None = None,  # noqa: ARG002 - nothing need be
    ) -> tuple[str, SourceRecord | None]:
        """The URI itself: what it names does not change. See SourceStore."""
        return self.place.uri, None

    def open(self) -> TableInMemory:
        """See SourceStore."""
        from sklearn import datasets

        return TableInMemory(self.place.uri, getattr(datasets, f"load_{self.place.path}")(as_frame=True).frame)

"""`spec.dataset`: where the rows come from, what is checked and how they are split. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import ColumnName, Fraction, Part, Share, refuse
from steelyard.api.uris import ClaimUri, is_claim_uri

DatasetFormat = Literal["CSV", "Parquet", "Prepared"]
MissingValueStrategy = Literal["Constant", "Mean", "Median", "DropRow", "Fail"]

SKLEARN_SCHEME = "sklearn:"
SKLEARN_DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")


class MissingValues(Part):
    """What becomes of empty cells of the features. A row whose target is missing is always an error."""

    strategy: MissingValueStrategy = "Fail"
    """Constant puts `value` and `text`; Mean and Median put that of the training part (a text column takes its most
    frequent word); DropRow leaves out every row with a missing cell, before the split; Fail ends the job and names the
    columns."""
    value: float | None = None
    """What Constant puts: a number. Needed with Constant, unless only text columns have empty cells."""
    text: Annotated[str, Field(max_length=256)] | None = None
    """What Constant puts into text columns. Default: `value`, as a word."""

    @model_validator(mode="after")
    def _value_goes_with_constant(self) -> Self:
        if self.strategy == "Constant" and self.value is None and self.text is None:
            raise refuse("value", "strategy Constant needs a value, such as 0")
        for field, given in (("value", self.value), ("text", self.text)):
            if self.strategy != "Constant" and given is not None:
                raise refuse(
                    field,
                    "a {field} is used with strategy Constant only, but the strategy is {strategy}",
                    strategy=self.strategy,
                )
        return self


class Split(Part):
    """How rows are dealt out, as scikit-learn's `train_test_split` does it: first the test part is cut from all rows,
    then, with the same seed, the validation part from the rest."""

    test: Fraction = 0.2
    """Fraction of all rows that only judge the chosen model, at the very end."""
    validation: Fraction = 0.1
    """Fraction of all rows that decide when to stop and which candidate is chosen."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    """Seed of the shuffle: the same seed and rows give the same split."""
    stratify: bool | None = None
    """Whether every part gets the same mixture of classes. Default: true for classification; not for regression."""

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        if self.test + self.validation >= 1:
            raise refuse(
                "validation",
                "test + validation must be less than 1, but is {total}",
                total=f"{round(self.test + self.validation, 6):.15g}",
            )
        return self


class Checks(Part):
    """Limits that the table must keep, else the job fails before it trains. A limit that is left out is not checked."""

    min_rows: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """The least number of rows, after DropRow."""
    min_class_fraction: Share | None = None
    """The least fraction of the rows that every class must have (classification)."""
    max_missing_fraction: Share | None = None
    """The largest fraction of missing cells in any one column."""
    max_duplicate_fraction: Share | None = None
    """The largest fraction of rows that repeat an earlier row in every column, the target included."""


class Dataset(Part):
    """A table: one row an example, one column the target."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """pvc://CLAIM/PATH, a file on a claim (PersistentVolumeClaim) of the job's namespace, which a local run maps to a
    folder; sklearn:NAME for a set that scikit-learn ships: breast_cancer, diabetes, digits, iris, linnerud, wine; or,
    locally only, a file's path (relative to the manifest's folder) or file: URI."""
    format: DatasetFormat | None = None
    """CSV, Parquet, or Prepared: a folder `prepared` that another job's stage prepare wrote, taken as it is, split and
    all. Default: from the file name's ending (.csv, .csv.gz, .tsv is CSV with tabs, .parquet)."""
    target: ColumnName
    """The column to predict. It is never among the features."""
    exclude: Annotated[list[ColumnName], Field(max_length=1024)] = []
    """Columns that are not features, such as a customer's number."""
    categorical: Annotated[list[ColumnName], Field(max_length=1024)] = []
    """Columns of numbers that are names, such as a postal code. Text columns are categorical anyway."""
    missing_values: MissingValues = MissingValues()
    """What becomes of empty cells."""
    split: Split = Split()
    """How rows are dealt out to training, validation and test."""
    checks: Checks = Checks()
    """Limits that the table must keep."""

    @model_validator(mode="after")
    def _source_is_known(self) -> Self:
        if self.uri.startswith(SKLEARN_SCHEME):
            name = self.uri.removeprefix(SKLEARN_SCHEME)
            if name not in SKLEARN_DATASETS:
                raise refuse(
                    "uri",
                    "scikit-learn ships no data set '{name}'; allowed: {allowed}",
                    name=name,
                    allowed=", ".join(SKLEARN_DATASETS),
                )
            if self.format is not None:
                raise refuse("format", "{uri} has no file format; leave format out", uri=self.uri)
        elif is_claim_uri(self.uri):
            try:
                ClaimUri.parse(self.uri)
            except ValueError as error:
                raise refuse("uri", "{problem}", problem=str(error)) from None
        elif "://" in self.uri and not self.uri.startswith("file://"):
            raise refuse(
                "uri",
                "'{uri}' is not a source that is read here; allowed: pvc://CLAIM/PATH, sklearn:NAME, a file's path, "
                "file:PATH",
                uri=self.uri,
            )
        if self.is_file and self.inferred_format is None:
            raise refuse("format", "the format can't be told from '{uri}'; say CSV or Parquet", uri=self.uri)
        if self.is_prepared and (changed := self._fields_of_prepare()):
            raise refuse(
                changed[0],
                "a prepared dataset is taken as it is; with format Prepared leave out {fields}",
                fields=", ".join(changed),
            )
        if self.target in self.exclude:
            raise refuse(
                "exclude", "the target '{target}' can't be excluded; it is never a feature", target=self.target
            )
        if self.target in self.categorical:
            raise refuse(
                "categorical", "'{target}' is the target; say spec.task: Classification instead", target=self.target
            )
        if both := sorted(set(self.exclude) & set(self.categorical)):
            raise refuse("categorical", "'{both}' is excluded as well; a column is one or the other", both=both[0])
        return self

    @property
    def inferred_format(self) -> DatasetFormat | None:
        """The format that is given, else the one that the file name's ending says; None for sklearn:NAME."""
        if self.format is not None or self.uri.startswith(SKLEARN_SCHEME):
            return self.format
        name = self.uri.lower()
        if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            return "CSV"
        return "Parquet" if name.endswith((".parquet", ".pq")) else None

    def _fields_of_prepare(self) -> list[str]:
        """The fields that only the stage prepare reads and that are not left at their defaults (a cluster fills those
        in), as the manifest spells them."""
        read = ("exclude", "categorical", "missing_values", "split", "checks")
        fields = type(self).model_fields
        return [str(fields[name].alias) for name in read if getattr(self, name) != fields[name].default]

    @property
    def is_prepared(self) -> bool:
        """Whether another job has prepared the data, so that there is no stage prepare."""
        return self.format == "Prepared"

    @property
    def is_file(self) -> bool:
        """Whether the rows lie in a file of the user's."""
        return not self.uri.startswith(SKLEARN_SCHEME)

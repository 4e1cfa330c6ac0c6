"""`spec.dataset`: where the rows come from, what is checked and how they are split. Imports the api only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard.api.base import ColumnName, Fraction, Part, Share, refuse
from steelyard.api.dataset_cells import Categories, CsvFormat, Dates, MissingMarkers, Numbers, check_columns
from steelyard.api.place_fields import check_place
from steelyard.api.places import FILE_FORMS, SKLEARN, SOURCE_FORMS, is_elsewhere, scheme_of
from steelyard.formats.base import FormatName
from steelyard.formats.table import format_by_ending

DatasetFormat = Literal[FormatName, "Prepared"]
MissingValueStrategy = Literal["Constant", "Mean", "Median", "DropRow", "Fail"]


class MissingValues(Part):
    """What becomes of empty cells. Whatever the strategy, training learns what fills a gap that only prediction
    meets."""

    strategy: MissingValueStrategy = "Fail"
    """Constant puts `value` and `text`; Mean and Median put that of the training set (a text column takes its most
    frequent word); DropRow leaves out every row with a missing cell, before the split; Fail ends the job and names the
    columns."""
    value: float | None = None
    """What Constant puts: a number. Needed with Constant, unless only text columns have empty cells."""
    text: Annotated[str, Field(max_length=256)] | None = None
    """What Constant puts into text columns. Default: `value`, as a word."""
    target: Literal["Fail", "DropRow"] = "Fail"
    """What becomes of rows whose target is missing: Fail ends the job; DropRow leaves them out, before the split."""

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


SplitBy = Literal["group", "time", "column"]
PART_WORDS = ("train", "validation", "test")
"""What the cells of `split.column` say."""


TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.1
SEED = 42
"""The split where the manifest says nothing."""
SPLIT_BY: tuple[SplitBy, ...] = ("group", "time", "column")
UNUSED_WITH: dict[SplitBy, tuple[str, ...]] = {
    "group": ("stratify",),
    "time": ("seed", "stratify"),
    "column": ("test", "validation", "seed", "stratify"),
}
"""The fields of a split that have no meaning beside another."""


class Split(Part):
    """How rows are dealt out, as scikit-learn's `train_test_split` does it: first the test set is cut from all rows,
    then, with the same seed, the validation set from the rest. Or by a column (group, time or column), which is then
    no feature."""

    test: Fraction | None = None
    """Fraction of all rows (with group: of all groups) that only judge the chosen model, at the very end. Default:
    0.2."""
    validation: Fraction | None = None
    """Fraction of all rows (with group: of all groups) that decide when to stop and which candidate is chosen.
    Default: 0.1."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Seed of the shuffle: the same seed and rows give the same split. Default: 42."""
    stratify: bool | None = None
    """Whether every set gets the same mixture of classes. Default: true for classification; not for regression."""
    search_rows: bool | None = None
    """Whether a fifth of the training set, at most 20,000 rows, is set aside before anything is trained, with the same
    mixture of classes: these rows steer the search of a smaller model, and neither the network nor its students learn
    them. Default: true where compression.candidates trains something (Distill, QuantizationAware, Prune), else false:
    then training rows say in which order candidates are tested."""
    group: ColumnName | None = None
    """A column, such as a customer's number: all rows of one value go to the same part, as scikit-learn's
    GroupShuffleSplit deals them out."""
    time: ColumnName | None = None
    """A column of numbers or dates: the latest rows are the test set, the latest of the rest the validation set. Rows
    of the same time stay together, in the later set."""
    column: ColumnName | None = None
    """A column that says where each row goes: train, validation or test."""

    @property
    def by(self) -> tuple[SplitBy, str] | None:
        """What deals the rows out, and its column; None: chance alone."""
        names: dict[SplitBy, str | None] = {"group": self.group, "time": self.time, "column": self.column}
        return next(((by, name) for by, name in names.items() if name is not None), None)

    @property
    def test_fraction(self) -> float:
        """`test`, or its default."""
        return TEST_FRACTION if self.test is None else self.test

    @property
    def validation_fraction(self) -> float:
        """`validation`, or its default."""
        return VALIDATION_FRACTION if self.validation is None else self.validation

    @property
    def shuffle_seed(self) -> int:
        """`seed`, or its default."""
        return SEED if self.seed is None else self.seed

    @property
    def is_default(self) -> bool:
        """Whether it says nothing but defaults."""
        amounts = (self.test_fraction, self.validation_fraction, self.shuffle_seed)
        by_default = self.by is None and self.stratify is None and self.search_rows is None
        return by_default and amounts == (TEST_FRACTION, VALIDATION_FRACTION, SEED)

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        total = self.test_fraction + self.validation_fraction
        if total >= 1:
            raise refuse(
                "validation",
                "test + validation must be less than 1, but is {total}",
                total=f"{round(total, 6):.15g}",
            )
        return self

    @model_validator(mode="after")
    def _is_dealt_out_one_way(self) -> Self:
        given = [name for name in SPLIT_BY if getattr(self, name) is not None]
        if len(given) > 1:
            raise refuse(
                given[1], "the rows are dealt out by split.{first} already; give one of the two", first=given[0]
            )
        for name in UNUSED_WITH[given[0]] if given else ():
            if getattr(self, name) is not None:
                raise refuse(name, "{name} does nothing with split.{by}; leave it out", name=name, by=given[0])
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
    test_uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A file of its own whose rows are the test set, with the same columns as that of uri (excluded ones may be
    missing); a place as uri has it. With it leave out split.test."""
    target: ColumnName
    """The column to predict. It is never among the features."""
    exclude: Annotated[list[ColumnName], Field(max_length=1024)] = []
    """Columns that are not features, such as a customer's number."""
    categorical: Annotated[list[ColumnName], Field(max_length=1024)] = []
    """Columns of numbers that are names, such as a postal code. Text columns are categorical anyway."""
    csv: CsvFormat | None = None
    """How the CSV file is written. Default: as RFC 4180 has it, in UTF-8."""
    missing_markers: MissingMarkers = []
    """What stands for an empty cell, beside blanks alone, such as ? or unknown; in columns of numbers NA and the like
    are empty anyway."""
    numbers: Numbers = {}
    """Columns of text that are numbers, by name: how they are written."""
    dates: Dates = {}
    """Columns that are dates or times, by name: ISO8601, or a form as Python's strptime has it, such as %d.%m.%Y. They
    become year, month, day, weekday, dayOfYear, hour and seconds since 1970, as far as these vary. ISO 8601 is found
    without this."""
    categories: Categories = Categories()
    """What becomes of text columns with many different words."""
    missing_values: MissingValues = MissingValues()
    """What becomes of empty cells."""
    split: Split = Split()
    """How rows are dealt out to training, validation and test."""
    checks: Checks = Checks()
    """Limits that the table must keep."""

    @model_validator(mode="after")
    def _source_is_known(self) -> Self:
        if scheme_of(self.uri) is SKLEARN:
            name = self.uri.removeprefix(SKLEARN.prefix)
            if name not in SKLEARN.names:
                raise refuse(
                    "uri",
                    "scikit-learn ships no data set '{name}'; allowed: {allowed}",
                    name=name,
                    allowed=", ".join(SKLEARN.names),
                )
        elif is_elsewhere(self.uri):
            raise refuse(
                "uri",
                "'{uri}' is not a source that is read here; allowed: {allowed}",
                uri=self.uri,
                allowed=SOURCE_FORMS,
            )
        if not self.is_file and self.format is not None:
            raise refuse("format", "{uri} has no file format; leave format out", uri=self.uri)
        check_place("uri", self.uri)
        if self.is_file and self.inferred_format is None:
            raise refuse("format", "the format can't be told from '{uri}'; say CSV or Parquet", uri=self.uri)
        if self.is_prepared and (changed := self._fields_of_prepare()):
            raise refuse(
                changed[0],
                "a prepared dataset is taken as it is; with format Prepared leave out {fields}",
                fields=", ".join(changed),
            )
        self._check_test_uri()
        self._check_split_column()
        if self.target in self.exclude:
            raise refuse(
                "exclude", "the target '{target}' can't be excluded; it is never a feature", target=self.target
            )
        if self.target in self.categorical:
            raise refuse(
                "categorical", "'{target}' is the target; say spec.task: Classification instead", target=self.target
            )
        if self.csv is not None and not self.is_prepared and self.inferred_format != "CSV":
            raise refuse("csv", "'{uri}' is no CSV file; leave csv out", uri=self.uri)
        check_columns(self.target, self.numbers, self.dates, {"exclude": self.exclude, "categorical": self.categorical})
        if both := sorted(set(self.exclude) & set(self.categorical)):
            raise refuse("categorical", "'{both}' is excluded as well; a column is one or the other", both=both[0])
        return self

    def _check_test_uri(self) -> None:
        uri = self.test_uri
        if uri is None:
            return
        if not self.is_file:
            raise refuse("testUri", "{uri} has no test file of its own; leave testUri out", uri=self.uri)
        if is_elsewhere(uri) or not scheme_of(uri).holds_files:
            raise refuse(
                "testUri",
                "'{uri}' is no file that is read here; allowed: {allowed}",
                uri=uri,
                allowed=FILE_FORMS,
            )
        check_place("testUri", uri)
        if uri == self.uri:
            raise refuse("testUri", "'{uri}' is what is trained on; name another file, or give split.test", uri=uri)
        if self.test_format is None:
            raise refuse("testUri", "the format can't be told from '{uri}'; say format: CSV or Parquet", uri=uri)
        if self.split.test is not None:
            raise refuse("split.test", "the test set is the file of testUri; leave out one of the two")

    def _check_split_column(self) -> None:
        if self.split.by is None:
            return
        by, column = self.split.by
        if column == self.target:
            raise refuse(f"split.{by}", "'{column}' is the target; rows can't be dealt out by it", column=column)
        if column in self.categorical:
            raise refuse("categorical", "'{column}' deals out the rows (split) and is no feature", column=column)

    @property
    def test_format(self) -> DatasetFormat | None:
        """The format of testUri: as that of uri is told."""
        return self.format if self.format is not None else _format_of(self.test_uri or "")

    @property
    def inferred_format(self) -> DatasetFormat | None:
        """The format that is given, else the one that the file name's ending says; None for sklearn:NAME."""
        if self.format is not None or not self.is_file:
            return self.format
        return _format_of(self.uri)

    def _fields_of_prepare(self) -> list[str]:
        """The fields that only the stage prepare reads and that are not left at their defaults (a cluster fills those
        in), as the manifest spells them."""
        read = (
            *("exclude", "categorical", "csv", "missing_markers", "numbers", "dates", "categories", "missing_values"),
            *("test_uri", "split", "checks"),
        )
        fields = type(self).model_fields
        changed = [name for name in read if getattr(self, name) != fields[name].default]
        if self.split.is_default and "split" in changed:
            changed.remove("split")
        return [str(fields[name].alias) for name in changed]

    @property
    def uris(self) -> tuple[str, ...]:
        """The places that rows are read from: uri, and testUri where it is given."""
        return (self.uri,) if self.test_uri is None else (self.uri, self.test_uri)

    @property
    def is_prepared(self) -> bool:
        """Whether another job has prepared the data, so that there is no stage prepare."""
        return self.format == "Prepared"

    @property
    def is_file(self) -> bool:
        """Whether the rows lie in a file of the user's."""
        return scheme_of(self.uri).holds_files


def _format_of(uri: str) -> FormatName | None:
    form = format_by_ending(uri)
    return form.name if form is not None else None

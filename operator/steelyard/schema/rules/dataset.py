"""The CEL rules of `spec.dataset`. Imports the api, formats and the schema only."""

from steelyard.api.dataset import SEED, SPLIT_BY, TEST_FRACTION, UNUSED_WITH, VALIDATION_FRACTION
from steelyard.api.dataset_cells import MOST_CATEGORIES
from steelyard.api.places import (
    FILE,
    FILE_FORMS,
    SKLEARN,
    SOURCE_FORMS,
    SOURCES,
    UNSEEN_FILE,
    UNSEEN_SOURCE,
    on_cluster,
)
from steelyard.formats.csv_text import CSV
from steelyard.formats.table import ENDINGS
from steelyard.schema.cel import Rule, literal_list
from steelyard.schema.rules.places import WITHOUT_FILES, begins, begins_with_none, is_elsewhere, is_no_path, place_rules

# --- spec.dataset -----------------------------------------------------------------------------------------------------

MISSING_VALUES = [
    Rule(
        "self.strategy != 'Constant' || has(self.value) || has(self.text)",
        "strategy Constant needs a value, such as 0",
        "value",
        "_value_goes_with_constant",
    ),
    *(
        Rule(
            f"self.strategy == 'Constant' || !has(self.{name})",
            f"a {name} is used with strategy Constant only, but the strategy is {{self.strategy}}",
            name,
            "_value_goes_with_constant",
        )
        for name in ("value", "text")
    ),
]

_TEST = f"(has(self.test) ? self.test : {TEST_FRACTION})"
_VALIDATION = f"(has(self.validation) ? self.validation : {VALIDATION_FRACTION})"
_DEALT = "_is_dealt_out_one_way"

SPLIT = [
    Rule(
        f"{_TEST} + {_VALIDATION} < 1.0",
        # Six decimals, as 0.7 + 0.4 is 1.0999999999999999.
        "test + validation must be less than 1, but is "
        f"{{double(int(({_TEST} + {_VALIDATION}) * 1000000.0 + 0.5)) / 1000000.0}}",
        "validation",
        "_leave_rows_to_train_on",
    ),
    *(
        Rule(
            f"!has(self.{first}) || !has(self.{second})",
            f"the rows are dealt out by split.{first} already; give one of the two",
            second,
            _DEALT,
        )
        for index, first in enumerate(SPLIT_BY)
        for second in SPLIT_BY[index + 1 :]
    ),
    *(
        Rule(
            f"!has(self.{by}) || !has(self.{name})",
            f"{name} does nothing with split.{by}; leave it out",
            name,
            _DEALT,
        )
        for by, names in UNUSED_WITH.items()
        for name in names
    ),
]


_ENDINGS_OF_CSV = ", ".join(f"'{ending}'" for ending in CSV.all_endings)
_HAS_NO_FILES = begins("self.uri", WITHOUT_FILES)
_HAS_FILES = begins_with_none("self.uri", WITHOUT_FILES)
_IS_ELSEWHERE = is_elsewhere("self.uri")
_OF_SKLEARN = f"self.uri.startsWith('{SKLEARN.prefix}')"
_NAME = f"self.uri.substring({len(SKLEARN.prefix)})"
_SOURCE = "_source_is_known"
_PREPARE_ONLY = {
    "exclude": "self.exclude.size() > 0",
    "categorical": "self.categorical.size() > 0",
    "csv": "has(self.csv)",
    "missingMarkers": "has(self.missingMarkers) && self.missingMarkers.size() > 0",
    "numbers": "has(self.numbers) && self.numbers.size() > 0",
    "dates": "has(self.dates) && self.dates.size() > 0",
    "categories": f"has(self.categories) && self.categories.max != {MOST_CATEGORIES}",
    "missingValues": "self.missingValues.strategy != 'Fail' || has(self.missingValues.target) && "
    "self.missingValues.target != 'Fail'",
    "testUri": "has(self.testUri)",
    "split": " || ".join(
        [
            # An older CRD filled in these.
            *(
                f"(has(self.split.{name}) && self.split.{name} != {value})"
                for name, value in (("test", TEST_FRACTION), ("validation", VALIDATION_FRACTION), ("seed", SEED))
            ),
            *(f"has(self.split.{name})" for name in ("stratify", "searchRows", *SPLIT_BY)),
        ]
    ),
    "checks": "has(self.checks.minRows) || has(self.checks.minClassFraction) || has(self.checks.maxMissingFraction) || "
    "has(self.checks.maxDuplicateFraction)",
}

_TEST_URI = [
    Rule(
        f"!has(self.testUri) || {_HAS_FILES}",
        "{self.uri} has no test file of its own; leave testUri out",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        f"!has(self.testUri) || !({begins('self.testUri', WITHOUT_FILES)} || {is_elsewhere('self.testUri')})",
        f"'{{self.testUri}}' is no file that is read here; allowed: {FILE_FORMS}",
        "testUri",
        "_check_test_uri",
    ),
    *place_rules("check_place", is_optional=True, field="testUri"),
    Rule(
        f"!has(self.testUri) || {begins('self.testUri', on_cluster(SOURCES))} || "
        f"self.testUri.contains('://') && !self.testUri.startsWith('{FILE.prefix}//')",
        f"'{{self.testUri}}' {UNSEEN_FILE}",
        "testUri",
        "cluster_problems",
    ),
    Rule(
        "!has(self.testUri) || self.testUri != self.uri",
        "'{self.testUri}' is what is trained on; name another file, or give split.test",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        f"has(self.format) || !has(self.testUri) || {is_no_path('self.testUri')} || "
        f"{literal_list(ENDINGS)}.exists(ending, self.testUri.lowerAscii().endsWith(ending))",
        "the format can't be told from '{self.testUri}'; say format: CSV or Parquet",
        "testUri",
        "_check_test_uri",
    ),
    Rule(
        "!has(self.testUri) || !has(self.split.test)",
        "the test set is the file of testUri; leave out one of the two",
        "split.test",
        "_check_test_uri",
    ),
    *(
        rule
        for by in SPLIT_BY
        for rule in (
            Rule(
                f"!has(self.split.{by}) || self.split.{by} != self.target",
                f"'{{self.split.{by}}}' is the target; rows can't be dealt out by it",
                f"split.{by}",
                "_check_split_column",
            ),
            Rule(
                f"!has(self.split.{by}) || !(self.split.{by} in self.categorical)",
                f"'{{self.split.{by}}}' deals out the rows (split) and is no feature",
                "categorical",
                "_check_split_column",
            ),
        )
    ),
]

DATASET = [
    Rule(
        f"!{_OF_SKLEARN} || {_NAME} in {literal_list(SKLEARN.names)}",
        f"scikit-learn ships no data set '{{{_NAME}}}'; allowed: {', '.join(SKLEARN.names)}",
        "uri",
        _SOURCE,
    ),
    Rule(
        f"{_HAS_FILES} || !has(self.format)",
        "{self.uri} has no file format; leave format out",
        "format",
        _SOURCE,
    ),
    *place_rules(_SOURCE),
    Rule(
        f"{_HAS_NO_FILES} || !({_IS_ELSEWHERE})",
        f"'{{self.uri}}' is not a source that is read here; allowed: {SOURCE_FORMS}",
        "uri",
        _SOURCE,
    ),
    Rule(
        f"{begins('self.uri', reversed(on_cluster(SOURCES)))} || {_IS_ELSEWHERE}",
        f"'{{self.uri}}' {UNSEEN_SOURCE}",
        "uri",
        "cluster_problems",
    ),
    Rule(
        f"has(self.format) || {is_no_path('self.uri')} || "
        f"{literal_list(ENDINGS)}.exists(ending, self.uri.lowerAscii().endsWith(ending))",
        "the format can't be told from '{self.uri}'; say CSV or Parquet",
        "format",
        _SOURCE,
    ),
    *(
        Rule(
            f"!has(self.format) || self.format != 'Prepared' || !({is_given})",
            f"a prepared dataset is taken as it is; with format Prepared leave out {field}",
            field,
            _SOURCE,
        )
        for field, is_given in _PREPARE_ONLY.items()
    ),
    Rule(
        "!(self.target in self.exclude)",
        "the target '{self.target}' can't be excluded; it is never a feature",
        "exclude",
        _SOURCE,
    ),
    Rule(
        "!(self.target in self.categorical)",
        "'{self.target}' is the target; say spec.task: Classification instead",
        "categorical",
        _SOURCE,
    ),
    Rule(
        # Two lists of 1,024 exceed what one rule may cost; the operator refuses what is too long to look at here.
        "self.categorical.size() * self.exclude.size() > 250000 || !self.categorical.exists(one, one in self.exclude)",
        "'{self.categorical.filter(one, one in self.exclude)[0]}' is excluded as well; a column is one or the other",
        "categorical",
        _SOURCE,
    ),
    *_TEST_URI,
]

# --- spec.dataset: how its cells are written --------------------------------------------------------------------------

MARKS = [
    Rule(
        "!has(self.thousands) || self.thousands != (has(self.decimal) ? self.decimal : '.')",
        "'{self.thousands}' is the decimal mark too; say both decimal and thousands, differing",
        "thousands",
        "_marks_differ",
    ),
]

CELLS = [
    Rule(
        "!has(self.csv) || has(self.format) && self.format in ['CSV', 'Prepared'] || "
        f"!has(self.format) && [{_ENDINGS_OF_CSV}].exists(ending, "
        f"self.uri.lowerAscii().endsWith(ending)) && {_HAS_FILES}",
        "'{self.uri}' is no CSV file; leave csv out",
        "csv",
        _SOURCE,
    ),
    Rule(
        "!has(self.dates) || !(self.target in self.dates)",
        "'{self.target}' is the target; a date can't be predicted, only a number or label",
        "dates",
        "check_columns",
    ),
]

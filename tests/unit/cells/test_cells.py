"""What a cell is: numbers in every style, spellings, dates, the lines of CSV files."""

import io
import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.cells import csv_text, dates, missing, words
from steelyard.cells.numbers import NumberStyle, guess_number_style, parse_number

EAST, WEST = timezone(timedelta(hours=5)), timezone(timedelta(hours=-5))
MARKS = [(".", None), (".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'")]
AFFIXES = [(None, None), ("$", None), ("EUR", None), (None, "€"), ("£", "GBP"), (None, "%")]
styles = st.builds(
    lambda marks, affixes: NumberStyle(*marks, *affixes), st.sampled_from(MARKS), st.sampled_from(AFFIXES)
)
amounts = st.decimals(-(10**12), 10**12, places=2, allow_nan=False)


def written(amount, style, blank=""):
    """The amount as a person writes it."""
    whole, fraction = f"{abs(amount):,.2f}".split(".")
    text = whole.replace(",", style.thousands or "") + style.decimal + fraction
    prefix = f"{style.prefix}{blank}" if style.prefix else ""
    suffix = f"{blank}{style.suffix}" if style.suffix else ""
    return f"{'-' if amount < 0 else ''}{prefix}{text}{suffix}"


@given(amounts, styles, st.sampled_from(["", " "]))
def test_a_number_is_read_back_in_every_style(amount, style, blank):
    text = written(amount, style, blank)
    expected = float(abs(amount)) * (-1 if amount < 0 else 1)
    assert parse_number(f" {text} ", style) == (expected / 100 if style.suffix == "%" else expected)


@given(st.lists(st.decimals(10**6, 10**12, places=2), min_size=1, max_size=20, unique=True), styles)
def test_a_style_is_guessed_from_what_is_written_in_it(them, style):
    texts = [written(amount, style) for amount in them]
    found = guess_number_style(texts)
    assert found.share == 1 and found.others == ()
    assert [found.style.parse(text) for text in texts] == [style.parse(text) for text in texts]


@given(st.text(max_size=12), styles)
def test_any_text_is_a_number_or_none(text, style):
    number = parse_number(text, style)
    assert number is None or isinstance(number, float)
    assert missing.is_missing(text) == (text.strip() == "")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_numbers_are_pythons(number):
    assert parse_number(repr(number)) == number


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("1,234", {"thousands": ","}, 1234),
        ("1,23", {"thousands": ","}, None),
        ("(1,234)", {"thousands": ","}, -1234),
        ("($1,234.5)", {"prefix": "$", "thousands": ","}, -1234.5),
        ("(5)", {}, None),
        ("()", {"thousands": ","}, None),
        ("\u22121.5", {}, -1.5),
        ("\u2212\u22121", {}, None),
        ("12,34,567", {"thousands": ","}, None),
        ("1234", {"thousands": ","}, 1234),
        ("1,234.5", {"thousands": ","}, 1234.5),
        ("-$5", {"prefix": "$"}, -5),
        ("$-5", {"prefix": "$"}, -5),
        ("--5", {"prefix": "$"}, None),
        ("5", {"prefix": "$"}, 5),
        ("5", {"suffix": "%"}, None),
        ("5 %", {"suffix": "%"}, 0.05),
        ("1\u00a0234,5", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1_000", {}, None),
        ("\u0661", {}, None),
        ("", {}, None),
        (".", {"decimal": ","}, None),
        (",5", {"decimal": ","}, 0.5),
        ("1e3", {}, 1000),
    ],
)
def test_what_is_a_number_and_what_is_none(text, style, number):
    assert parse_number(text, NumberStyle(**style)) == number


@pytest.mark.parametrize(
    ("values", "style", "share"),
    [
        (["8,782,966", "122,185"], {"thousands": ","}, 1),
        (["1,5", "2,25"], {"decimal": ","}, 1),
        (["0,123", "5,123"], {"decimal": ","}, 1),
        (["?", "1", "2", " 2 "], {}, 2 / 3),
        (["12A", "13", "14B"], {}, 1 / 3),
        (["$1,200.50", "unknown", "$7"], {"prefix": "$", "thousands": ","}, 2 / 3),
        (["", "NA", "5%"], {"suffix": "%"}, 1),
        (["100kg", "5kg", "7.5 kg"], {"suffix": "kg"}, 1),
        (["1,234 kg", "56 kg"], {"thousands": ",", "suffix": "kg"}, 1),
        (["20 °C", "21.5 °C"], {"suffix": "°C"}, 1),
        (["5 years", "1 year", "10 years", "3 years"], {"suffix": "years"}, 0.75),
        (["$1,234", "($56)"], {"prefix": "$", "thousands": ","}, 1),
        (["\u22125", "7"], {}, 1),
    ],
)
def test_guesses(values, style, share):
    found = guess_number_style(values)
    assert (found.style.to_json(), found.share) == (style, pytest.approx(share))


@pytest.mark.parametrize(
    "values",
    [["a", "b"], ["Q1", "Q2"], ["", "NA"], ["10-20", "20-30"], ["12:30"], ["1.2.3", "x"], ["10A", "10B", "11C"]],
)
def test_words_are_no_numbers(values):
    found = guess_number_style(values)
    assert found is None or found.share < 0.5 or values == ["1.2.3", "x"]


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", ".0", ".", ".00"]), st.sampled_from(["", " ", "\t"]))
def test_whole_numbers_have_one_spelling(number, tail, blank):
    as_text = words.spelled(f"{blank}{number}{tail}{blank}", "Values")
    assert as_text == str(number)
    assert words.spelled(as_text, "Values") == as_text
    for cell in (number, float(number), np.int64(number), np.float64(number)):
        assert words.word_of(cell, "Values") == str(number)


@given(st.text(max_size=8))
def test_a_spelling_is_its_own_spelling(text):
    for spelling in ("Values", "Words", "AsWritten"):
        once = words.spelled(text, spelling)
        assert words.spelled(once, spelling) == once


def test_truth_values_have_one_spelling():
    cells = ["true", "True", " TRUE ", True, np.bool_(True)]
    assert {words.word_of(cell, "Values") for cell in cells} == {"true"}
    assert words.word_of("truth", "Values") == "truth"


def test_a_leading_zero_makes_words_of_all():
    assert words.spelling_of(["01", "1.0"]) == "Words"
    assert words.spelling_of(["0", "0.5", "10", "a01"]) == "Values"
    assert words.word_of(" 1.0 ", "Words") == "1.0"


def test_older_models_read_to_the_letter():
    assert words.word_of(" a", "AsWritten") == " a"
    assert words.word_of("", "AsWritten") is None
    assert words.word_of(" ", "AsWritten") == " "


def test_labels_that_look_alike_are_found():
    counts = {"Yes": 3, "yes": 2, "no": 9, "01": 1, "1": 4, "New York": 1, "NewYork": 1}
    assert words.look_alikes(counts) == [{"01": 1, "1": 4}, {"New York": 1, "NewYork": 1}, {"Yes": 3, "yes": 2}]


@pytest.mark.parametrize("cell", [None, math.nan, "", "  ", "\t", np.float64("nan"), np.datetime64("NaT"), "\u00a0"])
def test_what_is_missing_everywhere(cell):
    assert missing.is_missing(cell)


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST)])
def test_a_moment_that_leaves_the_calendar_in_utc_is_no_date(moment):
    assert dates.date_of(moment) is None
    assert dates.parse_date(moment.isoformat()) is None


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)))
def test_dates_are_read_back(moment):
    expected = (moment - datetime(1970, 1, 1)).total_seconds()
    assert dates.parse_date(moment.isoformat()) == expected
    assert dates.parse_date(str(moment), dates.ISO8601) == expected
    assert dates.date_of(moment) == expected
    whole = moment.replace(microsecond=0)
    assert dates.parse_date(whole.strftime("%d.%m.%Y %H:%M:%S"), "%d.%m.%Y %H:%M:%S") == dates.date_of(whole)
    parts = {name: values[0] for name, values in dates.date_parts(np.array([expected])).items()}
    assert parts == {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "dayOfYear": moment.timetuple().tm_yday,
        "hour": moment.hour,
        "seconds": expected,
    }


def test_offsets_move_to_utc():
    moment = datetime(2024, 5, 31, 1, tzinfo=timezone(timedelta(hours=2)))
    utc = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    assert dates.parse_date(moment.isoformat()) == dates.parse_date(utc) == dates.parse_date(f"{utc}Z")


@pytest.mark.parametrize("text", ["20240531", "2024", "2024-13-01", "25:00", "yesterday", "3:20", "1.5", ""])
def test_what_is_no_iso_date(text):
    assert dates.parse_date(text) is None


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2024-05-31", "2024-06-01 10:00"], "ISO8601"),
        (["31/12/2024", "01/02/2024"], "%d/%m/%Y"),
        (["12/31/2024"], "%m/%d/%Y"),
        (["1.2.2024 10:30", ""], "%d.%m.%Y %H:%M"),
        (["5", "6"], None),
        (["2024-05-31", "soon"], None),
        (["", "NaT"], None),
    ],
)
def test_the_form_of_dates_is_guessed(values, form):
    assert dates.guess_date_form(values) == form


def read(text, **style):
    style = csv_text.CsvStyle.of("t.csv", **style)
    content = io.BytesIO(text.encode(style.encoding))
    return list(csv_text.records(csv_text.open_text(content, style), style))


def test_csv_lines_are_skipped_and_counted():
    text = 'note\n\na;b\n# no row\n1;"x\n# in the cell"\n2;ü\n'
    assert read(text, delimiter=";", encoding="ISO-8859-1", header_row=3, comment="#") == [
        (3, ["a", "b"]),
        (5, ["1", "x\n# in the cell"]),
        (7, ["2", "ü"]),
    ]


def test_a_csv_file_without_a_header_gets_names():
    assert read("1,2\n3,4\n", header_row=0) == [(0, ["column1", "column2"]), (1, ["1", "2"]), (2, ["3", "4"])]


def test_a_csv_style_is_read_back():
    style = csv_text.CsvStyle.of("t.tsv.gz", encoding="UTF-16", comment="%")
    assert style.delimiter == "\t"
    assert csv_text.CsvStyle.from_json(style.to_json()) == style

"""Charts as pictures: what is drawn where."""

from dataclasses import replace
from itertools import pairwise

from pages import charts_of, page_of
from published_support import PUBLISHED

from steelyard.report.chart_data import Axis, Bars, Mark, Matrix, Parallel, Plot, Run
from steelyard.report.scales import CategoryScale
from steelyard.report.svg import drawn


def test_labels_that_would_cover_each_other_are_moved_apart() -> None:
    """DynamicRange's file is as large as float32's, and as good."""
    (chart,) = [
        each
        for each in charts_of(page_of(PUBLISHED / "wine-network/model"))
        if "bytes of each" in str(each.get("aria-label"))
    ]
    places = {text.text: float(text.get("y") or 0) for text in chart.iter("text") if text.get("class") == "halo"}
    assert abs(places["float32"] - places["DynamicRange"]) >= 13


LONG = "eine Klasse mit einem langen Namen"


def test_no_word_of_a_chart_is_cut_at_its_edge_and_no_count_is_wider_than_its_cell() -> None:
    count, path = 1_234_567, "training.optimizer.learningRateSchedule.cosineDecay.initialValue"
    axis = CategoryScale((LONG[:24], "b"))
    charts = [
        Matrix("", (LONG, "Wien"), ((count, 0), (1, count))),
        Bars("", ((path, 0.5), ("b", 0.5))),
        Parallel("", (Axis("a", axis), Axis("b", axis)), (Run((0.0, 1.0), "", 1.0),)),
    ]
    for chart in charts:
        (picture,) = charts_of(drawn(chart))
        for text in picture.iter("text"):
            if "transform" not in text.attrib:
                width, x = 7.0 * len(str(text.text)), float(text.get("x") or 0)
                left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[str(text.get("text-anchor"))]
                assert left >= 0 and left + width <= float(str(picture.get("viewBox")).split()[2]), text.text
    cells = [cell for cell in charts_of(drawn(charts[0]))[0].iter("rect") if cell.get("class") == "cell"]
    assert all(float(cell.get("width") or 0) >= 7.0 * len(f"{count:,}") for cell in cells)


def test_a_picture_is_no_wider_than_a_page_needs() -> None:
    """A matrix a little wider than half a page was once drawn over the whole of it, its words twice as large."""
    (matrix,) = charts_of(drawn(Matrix("", ("x",) * 13, ((1,) * 13,) * 13)))
    width = float(str(matrix.get("viewBox")).split()[2])
    assert 400 < width < 600 and matrix.get("style") == f"max-width:{width * 1.25:.0f}px"


def test_no_label_covers_a_mark_or_another_label() -> None:
    marks = [Mark(1.0, 1.0, "trial", "", "DynamicRange"), Mark(1.02, 1.16, "trial", "", "Float16")]
    far = Mark(2.0, 2.0, "trial", "", "float32")
    (chart,) = charts_of(drawn(Plot("", "x", "y", marks=(*marks, far), x_range=(0.0, 3.0), y_range=(0.0, 3.0))))
    places = [(float(dot.get("cx") or 0), float(dot.get("cy") or 0)) for dot in chart.iter("circle")]
    labels = [text for text in chart.iter("text") if text.get("class") == "halo"]
    boxes = [(float(text.get("x") or 0), float(text.get("y") or 0) - 4, 3.3 * len(str(text.text))) for text in labels]
    assert len(boxes) == 3 and len(places) == 3
    assert all(abs(x - left) > half or abs(y - top) > 8 for left, top, half in boxes for x, y in places)
    assert abs(boxes[0][1] - boxes[1][1]) >= 13


def test_the_label_of_the_chosen_candidate_keeps_clear_of_its_ring() -> None:
    mark = Mark(1.0, 1.0, "trial", "", "Int8", 5.0)
    (chart,) = charts_of(drawn(Plot("", "x", "y", marks=(mark,), ring=replace(mark, label=""))))
    (ring,) = [dot for dot in chart.iter("circle") if dot.get("class") == "chosen"]
    (label,) = [text for text in chart.iter("text") if text.text == "Int8"]
    assert float(label.get("y") or 0) + 3 < float(ring.get("cy") or 0) - float(ring.get("r") or 0)


def test_of_many_marks_those_are_named_whose_names_have_room_and_the_chosen_one_always() -> None:
    marks = [Mark(1.0 + number / 50, 1.0 + number / 40, "trial", "", f"c {number}") for number in range(20)]
    ring = replace(marks[10], label="")
    (chart,) = charts_of(drawn(Plot("", "x", "y", marks=tuple(marks), ring=ring, size="Half")))
    labels = [text for text in chart.iter("text") if text.get("class") == "halo"]
    assert "c 10" in {text.text for text in labels} and 2 < len(labels) < 20
    dots = list(chart.iter("circle"))
    for text in labels:
        own = dots[int(str(text.text).split()[1])]
        assert abs(float(text.get("y") or 0) - float(own.get("cy") or 0)) < 40
    places = sorted((float(text.get("y") or 0), float(text.get("x") or 0), len(str(text.text))) for text in labels)
    for one, other in pairwise(places):
        assert other[0] - one[0] >= 13 or abs(one[1] - other[1]) >= 3.3 * (one[2] + other[2])


def test_equal_ratios_are_equal_distances_and_a_whisker_ends_at_the_edge_of_the_picture() -> None:
    marks = (
        Mark(10.0, 1.0, "baseline", ""),
        Mark(100.0, 1.0, "below", "", whisker=0.5),
        Mark(1000.0, 1.0, "trial", ""),
    )
    plot = Plot(
        "", "x", "y", marks=marks, x_range=(5.0, 2000.0), y_range=(0.0, 2.0), is_log_x=True, key=(("ring", "it"),)
    )
    (chart,) = charts_of(drawn(plot))
    (square,) = [box for box in chart.iter("rect") if box.get("class") == "baseline"]
    (triangle,) = list(chart.iter("polygon"))
    (disc,) = [dot for dot in chart.iter("circle") if dot.get("class") == "trial"]
    first = float(square.get("x") or 0) + float(square.get("width") or 0) / 2
    second, third = float(str(triangle.get("points")).split()[-1].split(",")[0]), float(disc.get("cx") or 0)
    assert abs((second - first) - (third - second)) < 0.2 and second > first
    # A line and its cap; what goes on beyond the edge has none.
    assert len([line for line in chart.iter("line") if line.get("class") == "whisker"]) == 2
    beyond = replace(plot, marks=(replace(marks[1], whisker=-1.0),))
    (chart,) = charts_of(drawn(beyond))
    (line,) = [line for line in chart.iter("line") if line.get("class") == "whisker"]
    (axis,) = [each for each in chart.iter("line") if each.get("class") == "axis" and each.get("y1") == each.get("y2")]
    assert line.get("y2") == axis.get("y1")

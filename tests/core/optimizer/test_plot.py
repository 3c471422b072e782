from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from arb.errors import UsageError
from arb.optimizer.plot import MOST_BARS, PriceBar, check_plot_path, shown_bars, write_plot
from arb.types import Offer

PNG = b"\x89PNG\r\n\x1a\n"


def bar(provider="acme", kind="h100x8", place="north", price=20.0, *, spot=False, **more):
    return PriceBar(provider, kind, place, spot, price, **{"gpus": 8, **more})


FOUR = [
    bar(price=31.2),
    bar(price=13.28, spot=True),
    bar("zeta", "big", "east/a", 55.04, note="simulated"),
    bar("zeta", "big", "east/b", 60.0, note="simulated"),
]


def drawn(bars, **more):
    pytest.importorskip("matplotlib")
    from arb.optimizer.picture import plain_style, price_figure

    with plain_style():
        return price_figure(bars, **{"title": "H100:8", "subtitle": "live, now", **more})


def texts_of(figure):
    (axes,) = figure.axes
    return [text.get_text() for text in [*figure.texts, *axes.texts]]


def rows_of(figure):
    """Return each row's provider, instance type, place and price, as boxes in pixels."""
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    rows = len(axes.patches)
    names, prices = boxes[: 3 * rows], boxes[3 * rows :]
    return [[*names[3 * row : 3 * row + 3], prices[row]] for row in range(rows)]


def test_the_picture_is_a_png_of_the_size_of_its_figure(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    path = tmp_path / "prices.png"
    write_plot(path, FOUR, title="H100:8", subtitle="live, now")
    assert path.read_bytes().startswith(PNG)
    height, width, _ = imread(path).shape
    inches = drawn(FOUR).get_size_inches()
    assert (width, height) == (int(inches[0] * 150), int(inches[1] * 150))
    assert [p.name for p in tmp_path.iterdir()] == ["prices.png"]


def test_bars_are_sorted_by_price_and_of_both_kinds():
    (axes,) = drawn(FOUR).axes
    assert [round(patch.get_width(), 2) for patch in axes.patches] == [13.28, 31.2, 55.04]
    assert [bool(patch.get_hatch()) for patch in axes.patches] == [True, False, False]
    top = [patch.get_y() for patch in axes.patches]
    assert top == sorted(top)
    assert axes.yaxis_inverted()


def test_kinds_differ_without_colour():
    (axes,) = drawn(FOUR).axes
    spot, on_demand, _ = axes.patches

    def luminance(patch):
        red, green, blue, _ = patch.get_facecolor()
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert luminance(spot) - luminance(on_demand) > 0.5


def test_every_bar_says_what_it_is_and_what_it_costs():
    texts = texts_of(drawn(FOUR))
    for text in (
        "acme",
        "h100x8",
        "north",
        "$13.28/h  ($1.66/GPU-h)",
        "big (simulated)",
        "east/a and 1 more",
        "$55.04/h  ($6.88/GPU-h)",
        "H100:8",
        "live, now",
        "Shown: each instance type at its cheapest place",
    ):
        assert text in texts


def test_the_legend_names_only_the_kinds_that_are_there():
    (both,) = drawn(FOUR).legends
    (one,) = drawn(FOUR[:1]).legends
    assert [t.get_text() for t in both.get_texts()] == ["on-demand", "spot"]
    assert [t.get_text() for t in one.get_texts()] == ["on-demand"]


def test_prices_of_one_gpu_are_compared_when_asked_for():
    bars = [bar(price=16.0), bar("one", "single", price=3.0, gpus=1), bar("cpu", "c", gpus=0)]
    figure = drawn(bars, per_gpu=True)
    assert [patch.get_width() for patch in figure.axes[0].patches] == [2.0, 3.0, 20.0]
    texts = texts_of(figure)
    assert "$2.00/GPU-h  ($16.00/h for 8)" in texts
    assert "$3.00/GPU-h" in texts
    assert "$20.00/h" in texts


@pytest.mark.parametrize("seed", range(3))
def test_texts_never_overlap_and_never_leave_the_picture(seed):
    random = Random(seed)
    words = ["a", "p5.48xlarge", "n" * 60, "A100 $1 and $2", "two\nlines", "gpu_8x_h100_sxm5"]
    bars = [
        bar(
            random.choice(words),
            random.choice(words) + str(number),
            random.choice(words),
            random.uniform(0, 90),
            spot=random.random() < 0.5,
        )
        for number in range(random.randint(1, 40))
    ]
    figure = drawn(bars, title="H100-80GB:8+ " * 15, subtitle="s " * 150)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    renderer = figure.canvas.get_renderer()
    for row in rows_of(figure):
        edges = [edge for box in row for edge in (box.x0, box.x1)]
        assert edges == sorted(edges)
    for text in [*figure.texts, *figure.axes[0].texts, *figure.legends[0].get_texts()]:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert 0 <= box.y0 <= box.y1 <= height, text


def test_names_lose_their_middle_when_they_are_too_long():
    texts = texts_of(drawn([bar(kind="begin" + "x" * 80 + "end")]))
    (name,) = [text for text in texts if text.startswith("begin")]
    assert name.endswith("end")
    assert "\u2026" in name
    assert len(name) == 40


def test_dollar_signs_are_no_formulas():
    figure = drawn([bar(kind="a$b$c")], title="$1 or $2")
    assert {"a$b$c", "$1 or $2"} <= set(texts_of(figure))
    assert not any(text.get_parse_math() for text in [*figure.texts, *figure.axes[0].texts])


def test_free_machines_can_be_drawn():
    figure = drawn([bar(price=0.0)])
    assert "$0.00/h  ($0.00/GPU-h)" in texts_of(figure)


def test_of_many_offers_the_cheapest_are_drawn_and_each_provider_in_each_class():
    crowd = [bar("cheap", f"k{n}", price=1 + n / 1000, spot=n % 2 == 0) for n in range(100)]
    dear = [bar("dear", price=90.0), bar("dear", price=80.0, spot=True)]
    shown = [each for each, _ in shown_bars([*crowd, *dear])]
    assert len(shown) == MOST_BARS
    assert shown == [*crowd[: MOST_BARS - 2], dear[1], dear[0]]
    note = "Shown: the cheapest of 102 offers, and of every provider"
    assert note in texts_of(drawn([*crowd, *dear]))


def test_equal_prices_are_sorted_by_class_and_name():
    bars = [bar("b"), bar("a", spot=True), bar("a", "z"), bar("a", "y")]
    found = [(each.provider, each.instance_type, each.spot) for each, _ in shown_bars(bars)]
    assert found == [
        ("a", "y", False),
        ("a", "z", False),
        ("b", "h100x8", False),
        ("a", "h100x8", True),
    ]


def test_a_bar_is_made_of_an_offer():
    offer = Offer(
        "acme", "id", "north", "h100x8", 20.0, zone="a", accelerator="H100",
        accelerator_count=8, spot=True, note="simulated",
    )  # fmt: skip
    made = PriceBar.of(offer)
    assert made == bar(place="north/a", spot=True, note="simulated")


@pytest.mark.parametrize(
    ("name", "code"),
    [("prices.svg", "plot-suffix"), ("prices", "plot-suffix"), ("no/prices.png", "plot-folder")],
)
def test_a_file_that_cannot_become_a_picture_is_refused_first(tmp_path, name, code):
    with pytest.raises(UsageError) as caught:
        check_plot_path(tmp_path / name)
    assert caught.value.code == code


def test_a_file_that_cannot_be_written_is_a_usage_error_and_leaves_nothing(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UsageError, match="cannot write") as caught:
        write_plot(tmp_path / "taken.png", FOUR, title="", subtitle="")
    assert caught.value.code == "plot-file"
    assert [p.name for p in tmp_path.iterdir()] == ["taken.png"]


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(UsageError, match="no price"):
        write_plot(tmp_path / "a.png", [], title="", subtitle="")


def test_without_matplotlib_the_install_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as caught:
        write_plot(tmp_path / "a.png", FOUR, title="", subtitle="")
    assert caught.value.hint == "pip install 'arb-core[plot]'"
    assert list(tmp_path.iterdir()) == []


def test_a_picture_needs_no_window_and_changes_nothing_for_other_figures(tmp_path):
    pytest.importorskip("matplotlib")
    code = (
        "import sys, matplotlib as mpl; from pathlib import Path\n"
        "mpl.rcParams['lines.linewidth'] = 7\n"
        "from arb.optimizer.plot import PriceBar, write_plot\n"
        "bars = [PriceBar('acme', 'x', 'north', False, 1.0)]\n"
        f"write_plot(Path({str(tmp_path / 'a.png')!r}), bars, title='t', subtitle='s')\n"
        "print(mpl.rcParams['lines.linewidth'], 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("7.0 False\n", "")
    assert Path(tmp_path / "a.png").exists()

"""The drawing behind ``arb.optimizer.plot``: a table of offers whose last column is a bar.

Widths are measured before anything is placed, so that names of any length stay beside each other
and the bars always have the same room. matplotlib's object interface only: no window, no state that
other figures of the process could see.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.optimizer.plot import shown_bars
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from arb.optimizer.plot import PriceBar

__all__ = ["draw_prices", "plain_style", "price_figure"]

_DPI: Final = 150
_BARS_IN: Final = 4.6
_ROW_IN: Final = 0.32
_LEAST_WIDTH_IN: Final = 8.5
_EDGE_IN, _GAP_IN = 0.35, 0.16
_TITLE_IN, _LINE_IN, _LEGEND_IN, _FOOT_IN = 0.42, 0.2, 0.42, 0.78
_BAR: Final = 0.66
"""Height of a bar; a row is 1."""
_TITLE_PT, _TEXT_PT, _SMALL_PT = 14, 9.5, 8.5
_CHARACTER_IN: Final = 0.076
"""Mean width of a character of ordinary text, for folding."""
_LONGEST: Final = (20, 40, 30)
"""Characters of provider, instance type and place; longer ones lose their middle."""
_DIME, _SMALL_CHANGE = 0.1, 5
"""Dollars below which prices have more digits, and below which the axis has cents."""
_INK, _PALE, _GRID = "#1b1f24", "#5b6470", "#d9dde2"
_STYLES: Final[dict[bool, dict[str, Any]]] = {
    False: {"facecolor": "#1f4e79", "edgecolor": "#1f4e79", "label": "on-demand"},
    True: {"facecolor": "#fdebc8", "edgecolor": "#a35a00", "hatch": "////", "label": "spot"},
}
"""By ``spot``. Dark and full against light and hatched: they differ without any colour."""

_LOOKS: Final[tuple[dict[str, Any], ...]] = (
    {"fontsize": _TEXT_PT, "color": _INK, "fontweight": "bold"},
    {"fontsize": _TEXT_PT, "color": _INK},
    {"fontsize": _TEXT_PT, "color": _PALE},
)


def draw_prices(
    bars: Sequence[PriceBar], *, title: str, subtitle: str, per_gpu: bool = False
) -> bytes:
    """Return a PNG; see ``arb.optimizer.plot.write_plot``."""
    buffer = io.BytesIO()
    with plain_style():
        figure = price_figure(bars, title=title, subtitle=subtitle, per_gpu=per_gpu)
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def price_figure(
    bars: Sequence[PriceBar], *, title: str, subtitle: str, per_gpu: bool = False
) -> Figure:
    """Return the drawing itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = shown_bars(bars, per_gpu=per_gpu)
    figure = Figure(dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_bars(axes, [bar for bar, _ in shown], per_gpu=per_gpu)
    columns = _draw_names(axes, shown)
    prices = [_draw_price(axes, row, bar, per_gpu=per_gpu) for row, (bar, _) in enumerate(shown)]
    height_in = _ROW_IN * len(shown)
    width_in, left_in = _widths(figure, columns, prices)
    room = int((width_in - 2 * _EDGE_IN) / _CHARACTER_IN)
    lines = textwrap.wrap(_plain(subtitle), room)
    top_in = _TITLE_IN + _LINE_IN * len(lines) + _LEGEND_IN + _EDGE_IN / 2
    figure.set_size_inches(width_in, top_in + height_in + _FOOT_IN)
    _place_axes(figure, axes, left_in, height_in)
    _place_columns(figure, axes, columns)
    _draw_head(figure, _shortened(title, room // 2), lines)
    _draw_legend(figure, axes, [bar for bar, _ in shown])
    _draw_foot(figure, shown, len(bars))
    return figure


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw with matplotlib's own defaults: a user's style is for the user's own figures."""
    import logging

    import matplotlib as mpl

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no news of its font cache
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams["hatch.linewidth"] = 0.9
        mpl.rcParams["text.parse_math"] = False  # dollars are dollars
        warnings.filterwarnings("ignore", message="Glyph")  # a box stands for what no font has
        yield


def _draw_bars(axes: Axes, bars: Sequence[PriceBar], *, per_gpu: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    longest = max(bar.length(per_gpu=per_gpu) for bar in bars)
    for row, bar in enumerate(bars):
        length = bar.length(per_gpu=per_gpu)
        axes.barh(row, length, _BAR, linewidth=0.9, zorder=2, **_STYLES[bar.spot])
    axes.set_xlim(0, longest or 1)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("${x:,.2f}" if longest < _SMALL_CHANGE else "${x:,g}")
    axes.tick_params(axis="x", length=0, labelsize=_SMALL_PT, labelcolor=_PALE)
    axes.grid(axis="x", color=_GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(_PALE)
    unit = "one GPU" if per_gpu else "the whole instance"
    axes.set_xlabel(f"US dollars an hour for {unit}", fontsize=_SMALL_PT, color=_PALE)


def _draw_names(axes: Axes, shown: Sequence[tuple[PriceBar, int]]) -> list[list[Text]]:
    """Write provider, instance type and place of every row; return the columns."""
    columns: list[list[Text]] = [[], [], []]
    for row, (bar, more) in enumerate(shown):
        note = f" ({bar.note})" if bar.note else ""
        others = f" and {more} more" if more else ""
        texts = [
            _shortened(text, most)
            for text, most in zip(
                (bar.provider, bar.instance_type, bar.place), _LONGEST, strict=True
            )
        ]
        cells = (texts[0], texts[1] + note, texts[2] + others)
        for column, text, look in zip(columns, cells, _LOOKS, strict=True):
            column.append(axes.text(0, row, text, va="center", clip_on=False, **look))
    return columns


def _draw_price(axes: Axes, row: int, bar: PriceBar, *, per_gpu: bool) -> Text:
    return axes.annotate(
        _price(bar, per_gpu=per_gpu),
        (bar.length(per_gpu=per_gpu), row),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=_TEXT_PT,
        color=_INK,
        annotation_clip=False,
        zorder=1.5,  # over the grid, and never over a bar
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def _price(bar: PriceBar, *, per_gpu: bool) -> str:
    whole = f"{_dollars(bar.price_usd_hour)}/h"
    one = f"{_dollars(bar.length(per_gpu=True))}/GPU-h"
    if not bar.gpus:
        return whole
    if per_gpu:
        return one if bar.gpus == 1 else f"{one}  ({whole} for {bar.gpus:g})"
    return whole if bar.gpus == 1 else f"{whole}  ({one})"


def _widths(
    figure: Figure, columns: Sequence[Sequence[Text]], prices: Sequence[Text]
) -> tuple[float, float]:
    """Return the figure's width and where its bars begin, in inches."""
    left = _EDGE_IN + sum(_width(figure, column) + _GAP_IN for column in columns)
    width = left + _BARS_IN + _width(figure, prices) + _EDGE_IN
    return max(width, _LEAST_WIDTH_IN), left


def _width(figure: Figure, texts: Sequence[Text]) -> float:
    """Return the width of the longest text, in inches."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # Agg has one
    return max(text.get_window_extent(renderer).width for text in texts) / float(figure.dpi)


def _place_axes(figure: Figure, axes: Axes, left_in: float, height_in: float) -> None:
    width, height = figure.get_size_inches()
    axes.set_position((left_in / width, _FOOT_IN / height, _BARS_IN / width, height_in / height))


def _place_columns(figure: Figure, axes: Axes, columns: Sequence[Sequence[Text]]) -> None:
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(figure.dpi_scale_trans, axes.transData)
    left_in = _EDGE_IN
    for column in columns:
        for text in column:
            text.set_transform(across)
            text.set_x(left_in)
        left_in += _width(figure, column) + _GAP_IN


def _draw_head(figure: Figure, title: str, lines: Sequence[str]) -> None:
    height_in = float(figure.get_size_inches()[1])
    put = partial(figure.text, _EDGE_IN, transform=figure.dpi_scale_trans, va="center")
    middle_in = height_in - _EDGE_IN / 2 - _TITLE_IN / 2
    put(middle_in, title, fontsize=_TITLE_PT, fontweight="bold", color=_INK)
    for number, line in enumerate(lines):
        down_in = _EDGE_IN / 2 + _TITLE_IN + (number + 0.5) * _LINE_IN
        put(height_in - down_in, line, fontsize=_TEXT_PT, color=_PALE)


def _draw_legend(figure: Figure, axes: Axes, bars: Sequence[PriceBar]) -> None:
    """Say what the kinds of bars that are there mean, right above the first of them."""
    from matplotlib.patches import Patch

    kinds = sorted({bar.spot for bar in bars})
    legend = figure.legend(
        handles=[Patch(linewidth=0.9, **_STYLES[spot]) for spot in kinds],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        bbox_transform=axes.transAxes,
        ncols=2,
        frameon=False,
        borderaxespad=0.2,
        borderpad=0,
        fontsize=_TEXT_PT,
        labelcolor=_INK,
    )
    legend.set_zorder(3)


def _draw_foot(figure: Figure, shown: Sequence[tuple[PriceBar, int]], offers: int) -> None:
    """Say what was left out, if anything was."""
    places = sum(more for _, more in shown)
    told = []
    if places:
        told.append("each instance type at its cheapest place")
    if len(shown) + places < offers:
        told.append(f"the cheapest of {counted(offers, 'offer')}, and of every provider")
    if told:
        figure.text(
            _EDGE_IN,
            _EDGE_IN / 2,
            "Shown: " + "; ".join(told),
            transform=figure.dpi_scale_trans,
            fontsize=_SMALL_PT,
            color=_PALE,
        )


def _dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= _DIME or not usd else f"${usd:.4f}"


def _plain(text: str) -> str:
    """Return one line."""
    return " ".join(text.split())


def _shortened(text: str, most: int) -> str:
    """Take the middle out of a long text: names differ at their beginnings and ends."""
    text = _plain(text)
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}\u2026{text[-tail:]}"

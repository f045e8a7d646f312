"""The style of the plots: panels, spans, bars, and SVG that follows the reader's colour scheme.

Text stays text, and the same figures give the same file.
"""

import io
import re

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

INK, FAINT, CARD, GRID = "#1f2328", "#656d76", "#ffffff", "#d8dee4"
OURS, OTHER, THIRD, FOURTH = "#157a5e", "#a8521f", "#5363b5", "#9c3f8b"
DARK = {
    INK: "#e6edf3",
    FAINT: "#9198a1",
    CARD: "#0d1117",
    GRID: "#30363d",
    OURS: "#3cb890",
    OTHER: "#e08a52",
    THIRD: "#8f9de6",
    FOURTH: "#d27cc2",
}
"""What replaces each colour in dark mode: text in either has a contrast of 4.5 or more."""
WIDTH = 8.6
"""Inches of 72 points."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hashfinder",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.facecolor": "none",
    "figure.facecolor": CARD,
    "xtick.color": FAINT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
}


def panel(axes: Axes, title: str, unit: str, labels: list[str], *, log: bool = False) -> None:
    """Prepare a panel with a line per label, the first on top; without labels, a y axis."""
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", pad=18)
    axes.text(0, 1.01, unit, transform=axes.transAxes, color=FAINT, fontsize=9, va="bottom")
    if labels:
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def span(axes: Axes, line: float, low: float, high: float, colour: str, text: str = "") -> None:
    """Draw a median and a 99th percentile as a line with two ends, with text beside it."""
    axes.plot([low, high], [line, line], color=colour, linewidth=2.2, solid_capstyle="round")
    axes.plot([low], [line], "o", color=colour, markersize=5.5)
    axes.plot([high], [line], "|", color=colour, markersize=8, markeredgewidth=2)
    if text:
        side, away = ("right", -7) if "no answer" in text else ("left", 7)
        axes.annotate(
            text,
            (high, line),
            (away, 0),
            textcoords="offset points",
            va="center",
            ha=side,
            color=colour,
        )


def apart(index: int, count: int) -> float:
    """Return how far from its line the `index`th of `count` dots is drawn, so that all are seen."""
    return 0.55 * ((index + 0.5) / count - 0.5)


def bar(axes: Axes, line: float, value: float, colour: str, text: str) -> None:
    """Draw a bar with its text behind it."""
    axes.barh([line], [value], height=0.62, color=colour)
    axes.annotate(text, (value, line), (5, 0), textcoords="offset points", va="center")


def as_svg(figure: Figure, mark: str) -> str:
    """Return a figure as SVG that follows the reader's scheme; same data, same file."""
    output = io.StringIO()
    figure.savefig(
        output, format="svg", bbox_inches="tight", pad_inches=0.15,
        metadata={"Date": None, "Description": mark},
    )  # fmt: skip
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark} !important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    text = re.sub(r"(<svg [^>]*>)", rf"\1\n {style}", output.getvalue(), count=1)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)

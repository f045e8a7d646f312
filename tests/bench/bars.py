"""Draws bars as an SVG picture, without a library."""

from collections.abc import Sequence
from html import escape

_COLOURS = ("#1b6ca8", "#7fb3d5", "#c9c9c9", "#e2a03f", "#6a994e")
_BAR, _GAP, _LEFT, _WIDTH = 11, 10, 300, 460


def bars(
    title: str,
    rows: Sequence[tuple[str, Sequence[float]]],
    legend: Sequence[str],
    marks: Sequence[tuple[str, float]] = (),
) -> str:
    """Return a picture of horizontal bars.

    Args:
        title: stands above all.
        rows: a label, and the lengths of its bars.
        legend: the meaning of the first, second and further bar of a row.
        marks: vertical lines, with what they mean.
    """
    top = max([*(value for _, values in rows for value in values), *(value for _, value in marks)])
    y = 30 + 16 * (len(legend) + len(marks))
    parts = [_text(10, 20, title)]
    for index, label in enumerate(legend):
        parts += [_bar(10, 32 + 16 * index, 12, index), _text(28, 42 + 16 * index, label)]
    first = y
    for label, values in rows:
        parts.append(_text(10, y + _BAR, label))
        for index, value in enumerate(values):
            length = _WIDTH * value / top
            parts += [
                _bar(_LEFT, y, length, index),
                _text(_LEFT + length + 4, y + _BAR - 1, f"{value:.3g}"),
            ]
            y += _BAR
        y += _GAP
    for index, (label, value) in enumerate(marks):
        x = _LEFT + _WIDTH * value / top
        above = 42 + 16 * (len(legend) + index)
        parts.append(_text(28, above, f"line {index + 1}: {label}, {value:.3g}"))
        parts.append(_text(x - 3, first - 4, str(index + 1)))
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{first}" y2="{y}" stroke="#a03030" '
            'stroke-dasharray="4 3"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 70}" height="{y + 10}" '
        'font-family="monospace" font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(x: float, y: float, length: float, index: int) -> str:
    colour = _COLOURS[index % len(_COLOURS)]
    return f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{_BAR - 1}" fill="{colour}"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" xml:space="preserve">{escape(text)}</text>'

"""The picture of the architecture: the modules of each package, as the import rules have them.

Layers come from the contracts of import-linter in `pyproject.toml`, arrows between packages from
the imports themselves, which import-linter's own library finds.
"""

import math
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import grimp

_PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
_CHARACTER, _SMALL, _BOX, _GAP, _MARGIN, _HEAD = 7.3, 6.3, 26, 8, 14, 64
"""Pixels: a character of a name and of a sentence, the height of a box, what is between them."""
_Arrow: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class _Panel:
    """Where a package stands, and from where its arrows leave."""

    x: int
    y: int
    width: int
    height: int
    door: int
    colour: str
    bus: int = 0
    """The height at which arrows into it turn; 0 for straight ones."""

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


_PANELS = {
    "hashfinder_cli": _Panel(16, 16, 356, 450, 194, "#e8f1fb"),
    "hashfinder_web": _Panel(388, 16, 356, 450, 660, "#f1eafb"),
    "hashfinder": _Panel(792, 16, 372, 450, 806, "#fdf0e3"),
    "hashfinder_client": _Panel(16, 502, 560, 280, 380, "#e4f5ec"),
    "hashfinder_rules": _Panel(16, 830, 372, 178, 202, "#fbf5d4", 806),
    "hashfinder_proto": _Panel(404, 830, 372, 178, 590, "#f0f0f0", 806),
    "hashfinder_process": _Panel(792, 830, 372, 178, 978, "#fbe9ee", 794),
}
_WIDTH, _HEIGHT = 1180, 1024
_LEGEND = (
    "Inside a package, a module imports only",
    "modules below it, and modules on one line",
    "do not import each other.",
    "",
    "Solid arrows are imports. One that follows",
    "from two others is not drawn.",
    "",
    "The rules are in pyproject.toml. import-linter",
    "holds them in make lint.",
)


def modules_picture() -> str:
    """Return the picture as SVG.

    Raises:
        KeyError: a package has no place in it.
        ValueError: a line of modules is wider than its panel, or a panel is too low for its lines.
    """
    layers = _layers()
    lines = chain(
        [_START],
        *(_panel(name, layers.get(name, [])) for name in _PANELS),
        *(_arrow(*arrow) for arrow in sorted(_imports())),
        _call(),
        _legend(),
        ["</svg>"],
    )
    return "\n".join(lines) + "\n"


def _layers() -> dict[str, list[list[str]]]:
    """Return the modules of each package: its lines from the top, each with its siblings."""
    tools = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["tool"]
    return {
        contract["containers"][0]: [line.split(" | ") for line in contract["layers"]]
        for contract in tools["importlinter"]["contracts"]
        if contract["type"] == "layers" and "containers" in contract
    }


def _imports() -> set[_Arrow]:
    """Return which package imports which, but for what follows from two others."""
    graph = grimp.build_graph(*_PANELS, cache_dir=None)
    arrows = {
        (module.partition(".")[0], imported.partition(".")[0])
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    arrows = {(one, other) for one, other in arrows if one != other}
    return arrows - {(one, last) for one, other in arrows for way, last in arrows if way == other}


def _panel(name: str, layers: list[list[str]]) -> Iterator[str]:
    panel = _PANELS[name]
    yield (
        f'<rect x="{panel.x}" y="{panel.y}" width="{panel.width}" height="{panel.height}" rx="8"'
        f' fill="{panel.colour}" stroke="#8a8f98"/>'
    )
    yield f'<text class="name" x="{panel.x + _MARGIN}" y="{panel.y + 23}">{name}</text>'
    about = (import_module(name).__doc__ or "").partition("\n")[0].replace("`", "")
    for line, text in enumerate(textwrap.wrap(about, int((panel.width - 2 * _MARGIN) / _SMALL))):
        yield _text(panel.x + _MARGIN, panel.y + 42 + 15 * line, text)
    y = panel.y + _HEAD + _GAP
    for siblings in layers:
        widths = [_CHARACTER * len(module) + 12 for module in siblings]
        # Not `sum`: since Python 3.12 it rounds differently, which moves a box a tenth of a pixel.
        whole = math.fsum(widths)
        if whole + _GAP * (len(widths) + 1) > panel.width:
            message = f"{name}: no place for {' | '.join(siblings)} in one line"
            raise ValueError(message)
        x = panel.x + (panel.width - whole - _GAP * (len(widths) - 1)) / 2
        for module, width in zip(siblings, widths, strict=True):
            yield f'<rect class="module" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BOX}"/>'
            yield f'<text class="module" x="{x + width / 2:.1f}" y="{y + 17}">{module}</text>'
            x += width + _GAP
        y += _BOX + _GAP
    if y > panel.bottom:
        message = f"{name}: {len(layers)} lines are higher than its panel"
        raise ValueError(message)


def _arrow(one: str, other: str) -> Iterator[str]:
    """Yield an arrow that leaves a panel above the other, or by its door, and comes from above."""
    source, target = _PANELS[one], _PANELS[other]
    x, way = source.door, f" V{target.bus} H{target.door}"
    if not target.bus:
        x, way = (max(source.x, target.x) + min(source.right, target.right)) // 2, ""
    yield f'<path class="import" d="M{x} {source.bottom}{way} V{target.y - 3}"/>'


def _call() -> Iterator[str]:
    """Yield what no import shows: the client calls the server."""
    client, server = _PANELS["hashfinder_client"], _PANELS["hashfinder"]
    x = server.x - 24
    yield (
        f'<path class="call" d="M{client.right} {client.y + 40} H{x} V{server.y + 220}'
        f' H{server.x - 3}"/>'
    )
    yield _text(x - 15, server.y + 212, "gRPC")


def _legend() -> Iterator[str]:
    top = _PANELS["hashfinder_client"].y + 30
    for line, text in enumerate(_LEGEND):
        yield _text(_PANELS["hashfinder"].door + 24, top + 17 * line, text)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}">{escape(text)}</text>'


_START = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">
<title>The packages of HashFinder and their modules</title>
<style>
text {{ font: 11.5px system-ui, "DejaVu Sans", sans-serif; fill: #333; }}
text.name {{ font: bold 14px ui-monospace, "DejaVu Sans Mono", monospace; fill: #111; }}
text.module {{ font: 12px ui-monospace, "DejaVu Sans Mono", monospace; text-anchor: middle; }}
rect.module {{ fill: #fff; stroke: #8a8f98; rx: 4px; }}
path {{ fill: none; stroke: #444; stroke-width: 1.6; marker-end: url(#tip); }}
path.call {{ stroke-dasharray: 6 4; }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" orient="auto" markerWidth="8"
markerHeight="8">
<path d="M0 0 8 4 0 8z" style="fill: #444; stroke: none; marker-end: none"/></marker></defs>
<rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="#fff"/>"""

"""The page and what belongs to it: the files of the package's folder, read once."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class File:
    """A file to be served."""

    content_type: str
    body: bytes
    tag: str
    """Changes with the body: a browser asks whether its copy is current."""


def load_files() -> dict[bytes, File]:
    """Return the files by their paths in URLs; the index is also that of ``/``."""
    loaded = dict(_walk(files("hashfinder_web") / "static", "/"))
    loaded[b"/"] = loaded[f"/{INDEX}".encode()]
    return loaded


def _walk(folder: Traversable, path: str) -> list[tuple[bytes, File]]:
    found: list[tuple[bytes, File]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _walk(each, f"{path}{each.name}/")
            continue
        suffix = each.name[each.name.rfind(".") :]
        if suffix in _TYPES:
            body = each.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found.append((f"{path}{each.name}".encode(), File(_TYPES[suffix], body, tag)))
    return found

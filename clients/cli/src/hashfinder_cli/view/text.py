"""Text for people: foreign text made harmless, large numbers made short."""

_TEXT_LIMIT = 300


def plain(text: str) -> str:
    """Return `text` from elsewhere made safe for a terminal: printable, and not too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:_TEXT_LIMIT])


def as_text(secret: bytes) -> str | None:
    """Return `secret` as text; None where that is not printable ASCII."""
    text = secret.decode("latin-1")
    return text if text.isascii() and text.isprintable() else None


def quantity(value: float) -> str:
    """Return `value` in three or four digits with a decimal prefix, such as ``84.1 M``."""
    shown = value
    for prefix in ("", "k", "M", "G", "T", "P", "E"):
        if shown < 1000:  # noqa: PLR2004 - the step from one prefix to the next
            return f"{shown:.1f} {prefix}" if prefix else f"{shown:.0f}"
        shown /= 1000
    return f"{value:.1e}"

"""Where a commit object has free bytes, and that everything else is unchanged."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_cli.jobs.commit import Commit, InvalidCommitError, Place, Template

HEADERS = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author A <a@example.org> 1700000000 +0000\n"
    b"committer C <c@example.org> 1700000001 -0330\n"
)
PLACES = (None, *Place)


def content_of(template: Template) -> bytes:
    """Return a commit with the first secret."""
    return template.content(template.alphabet[:1] * template.length)


@given(
    message=st.binary(max_size=300).map(lambda m: m.replace(b"\0", b"")),
    place=st.sampled_from(PLACES),
)
def test_size_in_the_object_header_is_the_content_length(
    message: bytes, place: Place | None
) -> None:
    """Git computes the id over this header, but does not store it."""
    template = Commit.parse(HEADERS + b"\n" + message).template(place)
    secret = template.alphabet[-1:] * template.length
    header, _, content = (template.prefix + secret + template.suffix).partition(b"\0")
    assert header == b"commit %d" % len(content)
    assert content == template.content(secret)


@given(message=st.binary(max_size=300).map(lambda m: m.replace(b"\0", b"")))
def test_header_place_keeps_headers_and_message(message: bytes) -> None:
    """The free bytes are one more header, the last one."""
    commit = Commit.parse(HEADERS + b"\n" + message)
    rewritten = Commit.parse(content_of(commit.template(Place.HEADER)))
    assert message == rewritten.message
    assert rewritten.headers.startswith(HEADERS + b"nonce @")
    assert rewritten.headers.count(b"\n") == HEADERS.count(b"\n") + 1


@given(message=st.binary(max_size=300).map(lambda m: m.replace(b"\0", b"")))
def test_message_place_appends_white_space_alone(message: bytes) -> None:
    """The headers are unchanged; the message gets spaces, tabs and one line feed."""
    commit = Commit.parse(HEADERS + b"\n" + message)
    rewritten = Commit.parse(content_of(commit.template(Place.MESSAGE)))
    assert commit.headers == rewritten.headers
    assert rewritten.message.endswith(b" \n")
    assert rewritten.message.startswith(message) or not rewritten.message.strip(b" \t\n")


@given(
    message=st.binary(max_size=300).map(lambda m: m.replace(b"\0", b"")),
    place=st.sampled_from(Place),
)
def test_free_bytes_of_an_earlier_search_are_replaced(message: bytes, place: Place) -> None:
    """A search for a commit with free bytes replaces them."""
    once = Commit.parse(HEADERS + b"\n" + message + b"text\n").template(place)
    twice = Commit.parse(content_of(once)).template(place)
    assert once == twice


@given(
    message=st.binary(max_size=300).map(lambda m: m.replace(b"\0", b"")),
    place=st.sampled_from(PLACES),
)
def test_object_ends_at_byte_54_of_its_last_block(message: bytes, place: Place | None) -> None:
    """Each candidate is one block, with as many constant rounds as possible."""
    template = Commit.parse(HEADERS + b"\n" + message).template(place)
    if template.blocks == 1:
        assert (len(template.prefix) + template.length + len(template.suffix)) % 64 == 55


def test_short_message_takes_the_header() -> None:
    """Everything after the header then fits into its block."""
    template = Commit.parse(HEADERS + b"\nFix the parser\n").template()
    assert (Place.HEADER, 1) == (template.place, template.blocks)


def test_long_message_takes_the_message() -> None:
    """Free bytes in a header would make the message part of each candidate's hash."""
    commit = Commit.parse(HEADERS + b"\n" + b"Fix the parser of headers\n\n" + b"Because.\n" * 20)
    assert (Place.MESSAGE, 1) == (commit.template().place, commit.template().blocks)
    assert commit.template(Place.HEADER).blocks == 4


@pytest.mark.parametrize("name", [b"gpgsig", b"gpgsig-sha256"])
def test_signature_is_detected(name: bytes) -> None:
    """Only in the headers, not in the message."""
    signature = name + b" -----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----\n"
    assert Commit.parse(HEADERS + signature + b"\nm\n").is_signed
    assert not Commit.parse(HEADERS + b"\n" + signature).is_signed


def test_blocks_are_those_that_hashing_takes() -> None:
    """`blocks` counts from the block of the last symbols to the padding's."""
    template = Template(Place.HEADER, b"x" * 40, b"y" * 64, b"ab", 16)
    size = 40 + 16 + 64
    assert template.blocks == (size + 9 + 63) // 64 - (40 + 12) // 64
    assert hashlib.sha1(template.content(b"a" * 16)).digest_size == 20  # noqa: S324


@pytest.mark.parametrize("content", [b"", b"parent x\n\nm", b"tree x\n\nm\0", b"blob"])
def test_other_objects_are_refused(content: bytes) -> None:
    """The message says what a commit must contain."""
    with pytest.raises(InvalidCommitError, match="malformed"):
        Commit.parse(content)

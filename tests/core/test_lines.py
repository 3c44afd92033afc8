"""Chunks into lines."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.core.lines import LineSplitter

lines = st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: b"\n" not in line), max_size=20)


@given(lines, st.lists(st.integers(min_value=0, max_value=900), max_size=30))
def test_every_line_comes_out_once_however_the_chunks_were_cut(lines: list[bytes], cuts: list[int]) -> None:
    """Where a chunk ends says nothing about where a line ends."""
    data = b"".join(line + b"\n" for line in lines)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    splitter = LineSplitter()
    got = [line for start, end in itertools.pairwise(bounds) for line in splitter.feed(data[start:end])]
    assert got == lines
    assert not splitter.torn


def test_a_line_without_its_end_is_torn() -> None:
    """What was begun and not ended is not a line."""
    splitter = LineSplitter()
    assert splitter.feed(b"whole\nhalf") == [b"whole"]
    assert splitter.torn


def test_empty_lines_are_none() -> None:
    """Servers may send empty lines to keep a connection."""
    assert LineSplitter().feed(b"\n\na\n\n") == [b"a"]

"""Guides are read as a person reads them: commands, what they print, and the files that are shown."""

from __future__ import annotations

import pytest

from e2e.kit.guide import Command, commands, listings, matches, only_reads, without_comments

GUIDE = """
# A guide

```console
$ kubectl get nns
NAME    AGE
node1   ...
$ kubectl apply -f - <<EOF
> kind: Policy
> EOF
policy created
$ kubectl get nncp \\
    -o name
```

```yaml
# docs/policies/bond.yaml
kind: Policy
```

```yaml
kind: Other
```

```
$ no console
```
"""


def test_commands_stand_with_their_output() -> None:
    """Each command of a console block, its continued lines, and what follows it up to the next."""
    assert commands(GUIDE) == [
        Command(5, "kubectl get nns", ("NAME    AGE", "node1   ...")),
        Command(8, "kubectl apply -f - <<EOF\nkind: Policy\nEOF", ("policy created",)),
        Command(12, "kubectl get nncp \\\n    -o name", ()),
    ]


def test_output_without_a_command_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="line 2"):
        commands("```console\nNAME\n```\n")


def test_a_listing_names_its_file() -> None:
    """Only a block that begins with a path is a file of the repository; comments do not count."""
    (listing,) = listings(GUIDE)
    assert listing.path == "docs/policies/bond.yaml"
    assert without_comments("# why\n\n" + listing.text) == ["kind: Policy"]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (("a  b",), "a    b\n", True),
        (("a",), "b", False),
        ((), "", True),
        ((), "anything", False),
        (("a ... c",), "a b b c", True),
        (("a ... c",), "a b b d", False),
        (("...", "c"), "a\nb\nc", True),
        (("...", "c"), "c", True),
        (("a", "..."), "a", True),
        (("a", "...", "b", "..."), "a\nx\nb\ny\nb\n", True),
        (("a", "...", "b"), "a\nx\nb\ny", False),
        (("1 (x)",), "1 (x)", True),
    ],
)
def test_dots_stand_for_what_varies(shown: tuple[str, ...], printed: str, same: bool) -> None:
    """`...` is anything in its line, or any lines; all else must be as it is shown, but for the width of blanks."""
    assert matches(shown, printed) is same


def test_only_what_reads_is_run_again() -> None:
    assert only_reads("kubectl get nncp")
    assert not only_reads("kubectl wait nncp x --for=condition=Available")
    assert not only_reads("kubectl apply -f x")

"""What the documentation points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = [*sorted(Path("docs").rglob("*.md")), Path("README.md"), Path("CONTRIBUTING.md"), Path("libnmstate/README.md")]
LINK = re.compile(r"\]\(([^()\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_link_leads_somewhere(page: Path) -> None:
    """Each link to a file of the repository leads to one, and to a heading that it has."""
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page}: {link}"


def test_every_page_is_reached_from_the_front() -> None:
    """A page that README.md does not lead to, directly or over others, is not found by anybody."""
    reached, todo = set[Path](), [Path("README.md")]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(page.read_text()) if not re.match(r"\w+:", link))
        todo += [Path(*(page.parent / link).parts) for link in links if link.endswith(".md") and "../" not in link]
    missed = {*Path("docs").rglob("*.md")} - reached
    assert not missed


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_program_that_is_named_is_there(page: Path) -> None:
    """What a page tells to run is called so."""
    for program in re.findall(r"(?<![\w/.-])hack/[a-z][\w-]*", page.read_text()):
        assert Path(program).exists(), f"{page}: {program}"


def test_every_page_has_its_place_in_the_site() -> None:
    """Once, in the navigation and on the first page; what mkdocs.yml names is there."""
    text = Path("mkdocs.yml").read_text()
    named = re.findall(r"^ *- ([\w/-]+\.md)$", text, re.MULTILINE)
    there = {str(page.relative_to("docs")) for page in Path("docs").rglob("*.md")}
    assert sorted(named) == sorted(there), "mkdocs.yml names each page of docs once"
    assert there - set(LINK.findall(Path("docs/index.md").read_text())) == {"index.md"}, "docs/index.md leads to each"


def test_the_core_is_shown_by_an_example_that_runs() -> None:
    """`tests/integration/test_examples.py` runs the file; the page shows it as it is."""
    assert Path("examples/greeting.py").read_text() in Path("docs/core.md").read_text()

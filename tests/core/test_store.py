"""The store and its indexes."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmstate_k8s.core.objects import Key, Object
from nmstate_k8s.core.store import MutableStore


def by_color(obj: Object) -> Iterable[str]:
    """Every color that the object has."""
    return obj.labels.get("colors", "").split()


def thing(name: str, colors: str) -> Object:
    """An object with colors."""
    return Object.from_dict({"metadata": {"name": name, "labels": {"colors": colors}}})


names = st.sampled_from("abcd")
colors = st.sampled_from(["", "red", "green", "red green"])
steps = st.lists(st.tuples(names, st.none() | colors), max_size=40)


@given(steps)
def test_an_index_is_always_in_step(history: list[tuple[str, str | None]]) -> None:
    """Whatever was put and removed, an index says what a search through all objects would."""
    store = MutableStore({"color": by_color})
    for name, color in history:
        if color is None:
            store.remove(Key("", name))
        else:
            store.put(thing(name, color))
        for value in ("red", "green"):
            expected = {obj.name for obj in store.list() if value in by_color(obj)}
            assert {obj.name for obj in store.by_index("color", value)} == expected


def test_an_index_may_come_late() -> None:
    """It then knows what is there already; its name must be free."""
    store = MutableStore()
    store.put(thing("a", "red"))
    store.add_index("color", by_color)
    assert [obj.name for obj in store.by_index("color", "red")] == ["a"]
    with pytest.raises(ValueError, match="already"):
        store.add_index("color", by_color)


def test_an_indexers_bug_costs_the_index_only() -> None:
    """The object is stored all the same."""

    def broken(obj: Object) -> Iterable[str]:
        raise RuntimeError(obj.name)

    store = MutableStore({"broken": broken})
    store.put(thing("a", "red"))
    assert store.get(Key("", "a")) is not None
    assert len(store) == 1
    assert store.by_index("broken", "red") == []

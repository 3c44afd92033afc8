"""Which of the kernel's messages are news about what this node reports. Pure, and bounded in memory.

- A message that says what the last one about the same thing said is none: leases and router advertisements are
  renewed, statistics are sent around.
- What belongs to a pod is none: a veth that is not reported and whose other end is elsewhere, with its addresses and
  routes. A link that came and went before anybody looked (a macvlan on its way into a pod) is none either.
- Which veths of that kind came or went during a look is kept until the next one (`passing`): it may have seen them
  half.
- After news all routes are forgotten: the kernel takes a route away together with its link or address without a
  word, and the same route coming back must be news again.
- In doubt it is news: a look too many finds nothing and costs no request.
"""

from __future__ import annotations

from collections.abc import Iterable

from nmstate_k8s.domain.host.rtnetlink import Told

__all__ = ["Churn"]

MAX_SUBJECTS = 50_000
"""Beyond it everything is forgotten, which costs looks and never a change."""
NO_LINK = 0

_Subject = tuple[object, ...]


class Churn:
    """What was told so far, and what of it is news."""

    def __init__(self) -> None:
        self._said: dict[int, dict[_Subject, int]] = {}
        """By link."""
        self._routes: dict[_Subject, int] = {}
        self._count = 0
        self._names: dict[int, str] = {}
        self._far: set[int] = set()
        """Links whose other end is elsewhere."""
        self._reported: frozenset[str] | None = None
        self._looking = True
        self._come: dict[str, int] = {}
        """Far ends that came since the look began, and their links."""
        self._went: set[str] = set()
        self._news: set[int] = set()
        self.heard = 0
        """How many news there were so far: whether something has changed in between, can be seen by it."""

    def looking(self) -> None:
        """Somebody looks at the state from now on: what he will see of links that go meanwhile is not known."""
        self._looking = True
        self._come.clear()
        self._went.clear()

    @property
    def passing(self) -> frozenset[str]:
        """Veths with their other end elsewhere that came or went since the look began."""
        return frozenset(self._come) | self._went

    def stays(self, name: str) -> bool:
        """Whether a link that is passing is still there."""
        return self._names.get(self._come.get(name, NO_LINK)) == name

    def reported(self, names: Iterable[str]) -> None:
        """The look has ended; these links are reported."""
        self._reported = frozenset(names)
        self._looking = False

    def learn(self, told: Told) -> None:
        """So it is already: nothing to look at."""
        self._note(told)
        self._is_new(told)

    def hear(self, told: Told) -> None:
        """So it is now."""
        self._pass(told)
        self._note(told)
        if not self._is_new(told) or (told.link is None and self._is_pods(told.index)):
            return
        if told.link is None:
            self._add(told.index)
        elif told.gone:
            shown = self._may_be_reported(told.index)
            self._forget(told.index)
            self._news.discard(told.index)
            if shown:
                self._add(NO_LINK)
        elif self._is_pods(told.index):
            self._news.discard(told.index)
        else:
            self._add(told.index)

    def lost(self) -> None:
        """Messages were lost: anything may be otherwise."""
        self._forget_all()
        self._add(NO_LINK)

    def elsewhere(self) -> None:
        """Something has changed that the kernel does not tell."""
        self._add(NO_LINK)

    @property
    def news(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._news)

    def told(self) -> None:
        """The news was passed on."""
        self._news.clear()
        self._count -= len(self._routes)
        self._routes.clear()

    def _add(self, news: int) -> None:
        self._news.add(news)
        self.heard += 1

    def _pass(self, told: Told) -> None:
        if not self._looking or told.link is None or not told.link.far_end:
            return
        if told.gone:
            self._went.add(told.link.name)
        elif told.index not in self._far or self._names.get(told.index) != told.link.name:
            self._come[told.link.name] = told.index

    def _note(self, told: Told) -> None:
        if told.link is not None:
            self._names[told.index] = told.link.name
            (self._far.add if told.link.far_end else self._far.discard)(told.index)

    def _is_pods(self, index: int) -> bool:
        return index in self._far and self._reported is not None and self._names.get(index) not in self._reported

    def _may_be_reported(self, index: int) -> bool:
        if self._looking or self._reported is None:
            return not self._is_pods(index)
        return self._names.get(index) in self._reported

    def _is_new(self, told: Told) -> bool:
        said = self._routes if told.subject[0] == "route" else self._said.setdefault(told.index, {})
        before = said.pop(told.subject, None)
        self._count -= before is not None
        if told.gone:
            # A setting that nobody spoke of goes with a link that nobody knew.
            return before is not None or told.subject[0] != "conf"
        if self._count >= MAX_SUBJECTS:
            self._forget_all()
            said = self._routes if told.subject[0] == "route" else self._said.setdefault(told.index, {})
        said[told.subject] = told.says
        self._count += 1
        return before != told.says

    def _forget(self, index: int) -> None:
        self._names.pop(index, None)
        self._far.discard(index)
        self._count -= len(self._said.pop(index, {}))

    def _forget_all(self) -> None:
        self._said.clear()
        self._routes.clear()
        self._count = 0

"""One case carried out once, and judged.

Judged is, in this order: after a power cut, or left alone, the node looks as it may before any handler runs; with the
handler back the node is Ready by itself; the policy ends as it must (in force, or failed and the node as it was); no
transaction is open; the enactment told what happened.
"""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass, field

from e2e.faults import picture
from e2e.faults.cases import Case
from e2e.faults.picture import Picture
from e2e.faults.policies import Policy
from e2e.faults.scene import DROP_IN, Scene
from e2e.faults.story import Story
from e2e.kit import eventually

__all__ = ["Result", "carry_out", "learn"]

HOLD = "once:hold"
END_SECONDS = 240
BY_ITSELF_SECONDS = 45
LOST_SECONDS = 15
"""A node that has not come back then, where others take two or three seconds, does not."""


@dataclass
class Result:
    case: Case
    ok: bool = False
    why: str = ""
    moment: float = 0.0
    """Seconds from the point (or the end) to the strike."""
    look: str = ""
    """What the node looked like by itself, before any handler ran."""
    seconds: float = 0.0
    """From the strike (or from when power came back) to the end of the policy on a node that is Ready."""
    told: str = ""
    evidence: str = ""
    notes: list[str] = field(default_factory=list)


def learn(scene: Scene, policy: Policy) -> None:
    """What the node looks like with this policy in force, undisturbed; nothing for one that cuts it off."""
    if policy.cuts_off or policy.name in scene.seen:
        return
    scene.fresh()
    with Story(scene.cluster, policy.name) as story:
        _apply(scene, policy)
        story.ends("Available", timeout=END_SECONDS)
    scene.seen[policy.name] = _settled(scene)
    assert picture.differences(scene.before, scene.seen[policy.name]), f"{policy.name} changes nothing that is seen"


def _settled(scene: Scene) -> Picture:
    """The picture that is seen twice in a row: addresses may still be tentative when a policy is in force."""
    seen = [picture.take(scene.node)]

    def steady() -> bool:
        seen.append(picture.take(scene.node))
        return "tentative" not in str(seen[-1]) and not picture.differences(seen[-2], seen[-1])

    eventually("the node's picture is steady", steady, timeout=60, every=1.0)
    return seen[-1]


def carry_out(scene: Scene, case: Case, random_: random.Random) -> Result:
    """One trial, from a fresh node. What fails, and what keeps it from being one, is in the result."""
    result = Result(case, moment=round(random_.uniform(*(case.after or case.during)), 2))
    try:
        learn(scene, case.policy)
        scene.fresh()
        with Story(scene.cluster, case.policy.name) as story:
            _switch_off(scene, case)
            scene.worn = not case.strike.cuts
            try:
                _strike(scene, case, story, result)
                _judge(scene, case, story, result)
            finally:
                result.told = story.told()
        result.ok = True
    except (AssertionError, subprocess.TimeoutExpired) as error:
        result.why = str(error)
        if not case.without:
            result.evidence = scene.evidence()
    return _turned_red(result) if case.without else result


def _turned_red(result: Result) -> Result:
    """A control is well if what was switched off was missed."""
    red = result.why.startswith("the node looks neither")
    result.ok, result.why = red, "" if red else f"not missed: {result.case.without}. {result.why}"
    return result


def _apply(scene: Scene, policy: Policy) -> None:
    selector = {"kubernetes.io/hostname": scene.node.name}
    scene.cluster.apply(scene.cluster.policy(policy.name, policy.desired, nodeSelector=selector, **policy.spec))


def _switch_off(scene: Scene, case: Case) -> None:
    if case.without == "parachute":
        scene.node.sh(
            f"mkdir -p {DROP_IN}; printf '[Unit]\\nConditionPathExists=/nowhere\\n' > {DROP_IN}/off.conf; "
            f"sync {DROP_IN}/off.conf {DROP_IN} /etc/systemd/system"
        )


def _strike(scene: Scene, case: Case, story: Story, result: Result) -> None:
    """Bring the policy to its moment, and let it happen."""
    actions = {"before-sync": "skip"} if case.without == "sync" else {}
    if case.point:
        actions[case.point] = HOLD
    scene.points.arm(actions)
    if not case.point and case.after is None:
        case.strike.hits(scene)
    _apply(scene, case.policy)
    if case.after is not None:
        story.ends("Failing" if case.policy.cuts_off else "Available", timeout=END_SECONDS)
        time.sleep(result.moment)  # the moment is what is tried
        case.strike.hits(scene)
    elif case.point:
        scene.points.wait(case.point)
        if case.during[1]:
            scene.points.release()
            time.sleep(result.moment)  # the moment is what is tried
        case.strike.hits(scene)
        if not case.strike.cuts:
            scene.points.release()
    case.strike.heals(scene, story)


def _judge(scene: Scene, case: Case, story: Story, result: Result) -> None:
    struck, since = time.monotonic(), story.count()
    if case.strike.cuts:
        scene.node.power("on")
        scene.points.clear()
    if case.strike.cuts or case.strike.alone:
        patience = LOST_SECONDS if case.without else BY_ITSELF_SECONDS
        result.look = scene.becomes(set(case.by_itself), case.policy, timeout=patience)
        since_when = "power was back" if case.strike.cuts else "it was left alone"
        result.notes.append(f"looked {result.look} {time.monotonic() - struck:.1f} s after {since_when}")
        scene.start_kubelet()
    eventually("the node is Ready", scene.ready, timeout=120, every=0.5)
    eventually("the handler is ready", scene.handler_ready, timeout=120, every=0.5)
    wanted = "Failing" if case.policy.cuts_off else "Available"
    story.ends(wanted, timeout=END_SECONDS)
    scene.becomes({"old" if case.policy.cuts_off else "new"}, case.policy, timeout=30)
    eventually("no transaction is open", lambda: not scene.transaction_open(), timeout=30)
    result.seconds = round(time.monotonic() - struck, 1)
    assert story.now is not None
    assert story.now.phase == wanted, f"the enactment went on to {story.now.phase}\n{story.told()}"
    if case.tells and result.look != "new":
        _told(case, story, since)


def _told(case: Case, story: Story, since: int) -> None:
    """What happened is in the words of the enactment, at some time after it happened."""
    words = [version.message for version in story.versions[since:]]
    assert any(case.tells in message for message in words), (
        f"no version of the enactment says {case.tells!r}\n{story.told()}"
    )

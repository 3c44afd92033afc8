"""A list as a watch brings it: what is there first, object by object, then a bookmark that ends it.

* The server holds nothing of it for us and we hold no page: an object is trimmed as it comes.
* What changes while it is under way is in it, as of the bookmark's version. Nothing is told before it is whole.
* Not every server can: those without the WatchList feature refuse (422; others may say 400), and something in front
  of one may pass on a watch without that bookmark. Whoever gets `NotStreamed` reads pages instead, and does not ask
  again.

Source: Kubernetes API concepts, "Streaming lists"; KEP-3157.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from nmstate_k8s.core.errors import ConnectionsReset, CoreError, Expired, Invalid, NeverSent, Unavailable
from nmstate_k8s.core.objects import Key, Object, ObjectList, Trim
from nmstate_k8s.core.watching import WatchEvent

__all__ = ["NotStreamed", "streamed_list"]

LIST_SECONDS: Final = 30.0
"""As long as a page may take. A list that is not whole by then has no end, or is too large for one piece."""


class NotStreamed(CoreError):
    """There is no streaming list here; nothing is said about the list itself."""


async def streamed_list(events: AsyncIterator[WatchEvent], trim: Trim) -> ObjectList:
    """The list that a watch without a version begins with; what follows is left in `events`.

    :raises NotStreamed: if the server sends something else, or not all of it.
    :raises ApiError: if the server could not be asked, or says what has nothing to do with the way of listing.
    """
    objects: dict[Key, Object] = {}
    try:
        async with asyncio.timeout(LIST_SECONDS):
            async for event in events:
                if event.ends_list:
                    return ObjectList(tuple(objects.values()), event.object.metadata.resource_version)
                if event.type == "BOOKMARK":
                    continue
                obj = trim(event.object)
                if event.type == "DELETED":
                    objects.pop(obj.key, None)
                else:
                    objects[obj.key] = obj
    except TimeoutError:
        raise NotStreamed(f"not whole after {LIST_SECONDS:g} s and {len(objects)} objects") from None
    except (NeverSent, ConnectionsReset):
        raise
    except (Invalid, Expired, Unavailable) as error:
        raise NotStreamed(str(error)) from error
    raise NotStreamed(f"the server ended it after {len(objects)} objects")

"""A controller library on asyncio: client, informers, work queues, controllers, manager.

It knows no kind of ours and imports nothing of ours. Import what is needed from its modules: nothing is
re-exported here, so that a small process pays only for what it uses.

How an object travels: `reflector` lists and watches, `store` keeps it as bytes with indexes on metadata,
`informer` tells handlers what was and what is, `controller` maps that to keys in a fair `workqueue` and
calls a reconciler, one key at a time; `manager` starts and stops all of it in order.
"""

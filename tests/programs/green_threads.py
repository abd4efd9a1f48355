"""Green threads of several packages, which allocate before and after they have been switched away from.

Argument: the package.
"""
import json
import sys

kept = []


def leaf(size):
    frame, stack = sys._getframe(), []
    while frame is not None:
        stack.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    print(json.dumps({"bytes": size, "stack": stack[::-1]}))
    kept.append(bytes(size - 33))


def works(number, switch):
    for turn in range(3):
        leaf(1000000 + 10 * number + turn)
        switch()


def with_gevent():
    import gevent.monkey
    gevent.monkey.patch_all()
    import gevent
    gevent.joinall([gevent.spawn(works, number, lambda: gevent.sleep(0)) for number in range(5)])


def with_eventlet():
    import eventlet
    eventlet.monkey_patch()
    pool = eventlet.GreenPool(5)
    for number in range(5):
        pool.spawn(works, number, lambda: eventlet.sleep(0))
    pool.waitall()


def with_sqlalchemy():
    import asyncio
    from sqlalchemy.util import await_only, greenlet_spawn

    async def task(number):
        await greenlet_spawn(works, number, lambda: await_only(asyncio.sleep(0)))

    async def all_tasks():
        await asyncio.gather(*[task(number) for number in range(5)])

    asyncio.run(all_tasks())


globals()["with_" + sys.argv[1]]()

"""Which buffers of the loop IR may share memory: distinct ones never do, except through pointers."""

from __future__ import annotations

from pydsl.loops.ir import Buffer, Space


def roots(buffer: Buffer) -> frozenset[Buffer]:
    """The buffers whose memory a buffer may stand for; empty for a pointer of which nothing is known."""
    if buffer.space is not Space.POINTER:
        return frozenset((buffer,))
    found: set[Buffer] = set()
    seen: set[Buffer] = set()
    work = [buffer]
    while work:
        item = work.pop()
        if item in seen:
            continue
        seen.add(item)
        if item.space is not Space.POINTER:
            found.add(item)
        elif item.targets:
            work.extend(item.targets)
        else:
            return frozenset()
    return frozenset(found)


def may_alias(a: Buffer, b: Buffer) -> bool:
    """Whether two buffers may share memory at all."""
    if a is b:
        return True
    if (a.space is not Space.POINTER and b.space is not Space.POINTER) or b in a.apart:
        return False
    roots_a, roots_b = roots(a), roots(b)
    return not roots_a or not roots_b or bool(roots_a & roots_b)

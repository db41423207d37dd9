"""Many programs in worker processes. A worker that dies or hangs costs one chunk, whose seeds are then run alone."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.generator.check import Failure, Report, check_seed, shrunk, smaller
from tests.generator.compare import Difference
from tests.generator.executors import EXECUTORS
from tests.generator.generate import generate
from tests.generator.program import Program

CHUNK = 25
SECONDS_PER_PROGRAM = 20.0
MOST_MEMORY = 6 << 30

_context = multiprocessing.get_context("fork")


@dataclass
class _Job:
    seeds: Sequence[int]
    process: Any
    connection: Connection


def check_chunk(seeds: Sequence[int], names: Sequence[str], exact: bool) -> list[Report]:
    """Reports of some seeds, in this process."""
    chosen = {name: EXECUTORS[name] for name in names}
    return [check_seed(seed, chosen, exact, shrinking=False) for seed in seeds]


def check_seeds(seeds: range, names: Sequence[str], exact: bool, jobs: int) -> Iterator[list[Report]]:
    """Reports of all seeds, in any order."""
    waiting = [seeds[k : k + CHUNK] for k in range(0, len(seeds), CHUNK)][::-1]
    running: dict[Any, _Job] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            chunk = waiting.pop()
            job = _start(check_chunk, chunk, names, exact)
            running[job.connection] = job
        ready = wait(list(running), SECONDS_PER_PROGRAM * CHUNK)
        for connection in ready or list(running):
            job = running.pop(connection)
            answer = _answer(job, hung=not ready)
            if not isinstance(answer, str):
                yield answer
            elif len(job.seeds) == 1:
                yield [_crash(job.seeds[0], names, exact, answer)]
            else:
                waiting += [job.seeds[k : k + 1] for k in range(len(job.seeds))]


def _start(work: Callable[..., Any], seeds: Sequence[int], *args: Any) -> _Job:
    mine, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_send, args=(theirs, work, seeds, *args), daemon=True)
    process.start()
    theirs.close()
    return _Job(seeds, process, mine)


def _send(connection: Connection, work: Callable[..., Any], *args: Any) -> None:
    limit = MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send(work(*args))
    connection.close()


def _answer(job: _Job, hung: bool) -> Any:
    """What a worker sends, or why it sends nothing."""
    if hung:
        job.process.terminate()
        job.process.join()
        return "does not end"
    try:
        return job.connection.recv()
    except EOFError:
        job.process.join()
        code = job.process.exitcode
        return f"dies of {signal.Signals(-code).name}" if code and code < 0 else f"exits with {code}"
    finally:
        job.connection.close()


def _crash(seed: int, names: Sequence[str], exact: bool, how: str) -> Report:
    report = Report(seed)
    program = generate(seed, exact)
    for name in names:
        if _crashes(program, name):
            report.failures.append(Failure(seed, name, Difference("crash", f"the process {how}"), program))
            break
    return report


def _crashes(program: Program, name: str) -> bool:
    """Whether a process that runs a program dies or hangs."""
    job = _start(_check_alone, [program.seed], program, name)
    ready = wait([job.connection], SECONDS_PER_PROGRAM)
    return isinstance(_answer(job, hung=not ready), str)


def _check_alone(_seeds: Sequence[int], program: Program, name: str) -> bool:
    from tests.generator.check import difference

    difference(program, EXECUTORS[name])
    return True


def made_smaller(failure: Failure) -> Failure:
    """The failure with its program shrunk; crashing ones in processes of their own."""
    if failure.difference.kind != "crash":
        return smaller(failure, EXECUTORS[failure.executor])
    program = shrunk(failure.program, lambda candidate: _crashes(candidate, failure.executor))
    return replace(failure, program=program)

"""What the simulator checks at every access, as LLVM IR.

`ptr @pydsl.check(state, address, size, write, site, who, phase)` answers the address to use: the given one, or scratch
words when nothing is allocated there. The shadow of a byte is one word that says who touched it in this launch:

    epoch 16 | phase 12 | flags 4 | block 22 | thread 10

Flags: 1 written in this phase, 2 read by several threads in this phase, 4 read by several blocks, 8 written in this
launch. A phase ends with a barrier. Blocks run one after the other, so that an entry of another block is of an earlier
one: it conflicts if either wrote, except in shared memory, which each block has for itself. Within a block, accesses of
one phase by two threads conflict if either wrote.
"""

from __future__ import annotations

from pydsl.jit.cuda.program import STATE_COUNT, STATE_TABLE
from pydsl.jit.cuda.sim_kernels import (
    FAULT_OUTSIDE,
    FAULT_RACE,
    STATE_ADDRESS,
    STATE_BLOCK,
    STATE_EPOCH,
    STATE_FAULT,
    STATE_OTHER,
    STATE_SCRATCH,
    STATE_SHARED,
    STATE_SHARED_SHADOW,
    STATE_SHARED_SIZE,
    STATE_SITE,
    STATE_THREAD,
)

CHECK = "pydsl.check"


def _word(name: str, index: int) -> str:
    return f"  %{name}.p = getelementptr i64, ptr %state, i64 {index}\n  %{name} = load i64, ptr %{name}.p\n"


def _put(value: str, index: int, tag: str) -> str:
    return f"  %{tag}.p = getelementptr i64, ptr %state, i64 {index}\n  store i64 {value}, ptr %{tag}.p\n"


def check_text() -> str:
    """The function `pydsl.check`. ``who`` is ``block << 10 | thread``."""
    return (
        f"""define internal ptr @{CHECK}(ptr %state, ptr %address, i64 %size, i64 %write, i64 %site, i64 %who,
    i64 %phase)
    nounwind noinline {{
entry:
  %at = ptrtoint ptr %address to i64
{_word("shared", STATE_SHARED)}{_word("shared_size", STATE_SHARED_SIZE)}"""
        f"""  %in_shared = sub i64 %at, %shared
  %in_shared_end = add i64 %in_shared, %size
  %shared_low = icmp ult i64 %in_shared, %shared_size
  %shared_high = icmp ule i64 %in_shared_end, %shared_size
  %is_shared = and i1 %shared_low, %shared_high
  br i1 %is_shared, label %use_shared, label %search
use_shared:
{_word("shared_shadow", STATE_SHARED_SHADOW)}  br label %found
search:
{_word("count", STATE_COUNT)}{_word("table", STATE_TABLE)}  %entries = inttoptr i64 %table to ptr
  br label %look
look:
  %low = phi i64 [ 0, %search ], [ %low.next, %step ]
  %high = phi i64 [ %count, %search ], [ %high.next, %step ]
  %more = icmp slt i64 %low, %high
  br i1 %more, label %step, label %looked
step:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %middle3 = mul i64 %middle, 3
  %middle.p = getelementptr i64, ptr %entries, i64 %middle3
  %middle.base = load i64, ptr %middle.p
  %right = icmp ule i64 %middle.base, %at
  %middle1 = add i64 %middle, 1
  %low.next = select i1 %right, i64 %middle1, i64 %low
  %high.next = select i1 %right, i64 %high, i64 %middle
  br label %look
looked:
  %some = icmp sgt i64 %low, 0
  br i1 %some, label %candidate, label %outside
candidate:
  %index = sub i64 %low, 1
  %index3 = mul i64 %index, 3
  %entry.p = getelementptr i64, ptr %entries, i64 %index3
  %base = load i64, ptr %entry.p
  %bytes.p = getelementptr i64, ptr %entry.p, i64 1
  %bytes = load i64, ptr %bytes.p
  %shadow.p = getelementptr i64, ptr %entry.p, i64 2
  %shadow = load i64, ptr %shadow.p
  %inside = sub i64 %at, %base
  %inside.end = add i64 %inside, %size
  %fits = icmp ule i64 %inside.end, %bytes
  br i1 %fits, label %found, label %outside
found:
  %where = phi i64 [ %in_shared, %use_shared ], [ %inside, %candidate ]
  %private = phi i1 [ true, %use_shared ], [ false, %candidate ]
  %shadows = phi i64 [ %shared_shadow, %use_shared ], [ %shadow, %candidate ]
  %tracked = icmp ne i64 %shadows, 0
  br i1 %tracked, label %track, label %done
track:
{_word("epoch", STATE_EPOCH)}  %shadow.base = inttoptr i64 %shadows to ptr
  %epoch.bits = shl i64 %epoch, 48
  %phase.cut = and i64 %phase, 4095
  %phase.bits = shl i64 %phase.cut, 36
  %wrote = icmp ne i64 %write, 0
  %write.flags = select i1 %wrote, i64 {9 << 32}, i64 0
  %stamp0 = or i64 %epoch.bits, %phase.bits
  %stamp = or i64 %stamp0, %who
  %fresh = or i64 %stamp, %write.flags
  %my.block = lshr i64 %who, 10
  %my.thread = and i64 %who, 1023
  br label %byte
byte:
  %k = phi i64 [ 0, %track ], [ %k.next, %keep ]
  %here = add i64 %where, %k
  %cell = getelementptr i64, ptr %shadow.base, i64 %here
  %old = load i64, ptr %cell
  %old.epoch = lshr i64 %old, 48
  %current = icmp eq i64 %old.epoch, %epoch
  br i1 %current, label %known, label %keep
known:
  %old.who = and i64 %old, {(1 << 32) - 1}
  %old.block = lshr i64 %old.who, 10
  %old.flags = lshr i64 %old, 32
  %old.w = trunc i64 %old.flags to i1
  %old.m0 = lshr i64 %old.flags, 1
  %old.m = trunc i64 %old.m0 to i1
  %old.b0 = lshr i64 %old.flags, 2
  %old.b = trunc i64 %old.b0 to i1
  %old.e0 = lshr i64 %old.flags, 3
  %old.e = trunc i64 %old.e0 to i1
  %same.block = icmp eq i64 %old.block, %my.block
  br i1 %same.block, label %in_block, label %elsewhere
elsewhere:
  br i1 %private, label %keep, label %across
across:
  %clash.across = or i1 %wrote, %old.e
  %both = or i64 %old, {6 << 32}
  br i1 %clash.across, label %race, label %keep
in_block:
  %old.phase0 = lshr i64 %old, 36
  %old.phase = and i64 %old.phase0, 4095
  %same.phase = icmp eq i64 %old.phase, %phase.cut
  br i1 %same.phase, label %now, label %later
later:
  %clash.later = and i1 %wrote, %old.b
  %kept.flags = and i64 %old, {12 << 32}
  %moved = or i64 %fresh, %kept.flags
  br i1 %clash.later, label %race, label %keep
now:
  %same.thread = icmp eq i64 %old.who, %who
  br i1 %same.thread, label %mine, label %other
mine:
  %many = or i1 %old.m, %old.b
  %clash.mine = and i1 %wrote, %many
  %more.mine = or i64 %old, %write.flags
  br i1 %clash.mine, label %race, label %keep
other:
  %clash.other = or i1 %wrote, %old.w
  %more.other = or i64 %old, {2 << 32}
  br i1 %clash.other, label %race, label %keep
keep:
  %new = phi i64 [ %fresh, %byte ], [ %fresh, %elsewhere ], [ %both, %across ], [ %moved, %later ],
    [ %more.mine, %mine ], [ %more.other, %other ], [ %fresh, %race ]
  store i64 %new, ptr %cell
  %k.next = add i64 %k, 1
  %go = icmp ult i64 %k.next, %size
  br i1 %go, label %byte, label %done
race:
{_word("fault.race", STATE_FAULT)}  %first.race = icmp eq i64 %fault.race, 0
  br i1 %first.race, label %record_race, label %keep.race
record_race:
{_put(str(FAULT_RACE), STATE_FAULT, "r0")}{_put("%old.who", STATE_OTHER, "r1")}{_put("%site", STATE_SITE, "r2")}"""
        f"""{_put("%at", STATE_ADDRESS, "r3")}{_put("%my.block", STATE_BLOCK, "r4")}"""
        f"""{_put("%my.thread", STATE_THREAD, "r5")}"""
        f"""  br label %keep.race
keep.race:
  br label %keep
outside:
{_word("fault.out", STATE_FAULT)}  %first.out = icmp eq i64 %fault.out, 0
  br i1 %first.out, label %record_out, label %scratch
record_out:
  %out.block = lshr i64 %who, 10
  %out.thread = and i64 %who, 1023
{_put(str(FAULT_OUTSIDE), STATE_FAULT, "o0")}{_put("%site", STATE_SITE, "o2")}{_put("%at", STATE_ADDRESS, "o3")}"""
        f"""{_put("%out.block", STATE_BLOCK, "o4")}{_put("%out.thread", STATE_THREAD, "o5")}  br label %scratch
scratch:
  %free = getelementptr i64, ptr %state, i64 {STATE_SCRATCH}
  ret ptr %free
done:
  ret ptr %address
}}"""
    ).replace("[ %fresh, %race ]", "[ %fresh, %keep.race ]")

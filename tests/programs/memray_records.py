"""Prints as JSON what memray's own reader makes of a capture file: sums by stack, and every allocation.

Stacks are lists of [function, file, line], the innermost call first."""
import collections
import json
import sys

from memray import AllocatorType, FileReader

FREES = (AllocatorType.FREE, AllocatorType.PYMALLOC_FREE, AllocatorType.MUNMAP)


def sums(records, thread_name=lambda record: ""):
    """Bytes and allocations by stack and thread; memray's reader may have several records of one."""
    found = collections.defaultdict(lambda: [0, 0])
    for record in records:
        amount = found[tuple(record.stack_trace()), thread_name(record)]
        amount[0] += record.size
        amount[1] += record.n_allocations
    return [[stack, thread, *amount] for (stack, thread), amount in found.items()]


def by_allocator(reader):
    found = collections.defaultdict(lambda: [0, 0])
    for record in reader.get_allocation_records():
        allocator = AllocatorType(record.allocator)
        if allocator not in FREES:
            amount = found[tuple(record.stack_trace()), allocator.name.lower()]
            amount[0] += record.size
            amount[1] += record.n_allocations
    return [[stack, allocator, *amount] for (stack, allocator), amount in found.items()]


reader = FileReader(sys.argv[1])
metadata = reader.metadata
json.dump({
    "command_line": metadata.command_line,
    "pid": metadata.pid,
    "peak_memory": metadata.peak_memory,
    "python_allocator": metadata.python_allocator,
    "trace_python_allocators": metadata.trace_python_allocators,
    "duration_ms": (metadata.end_time - metadata.start_time).total_seconds() * 1e3,
    "snapshots": [[snapshot.time, snapshot.rss] for snapshot in reader.get_memory_snapshots()],
    "peak": sums(reader.get_high_watermark_allocation_records(merge_threads=True)),
    "peak_by_thread": sums(reader.get_high_watermark_allocation_records(merge_threads=False),
                           lambda record: record.thread_name),
    "leaked": sums(reader.get_leaked_allocation_records(merge_threads=True)),
    "temporary": sums(reader.get_temporary_allocation_records(merge_threads=True, threshold=1)),
    "total": by_allocator(reader),
}, sys.stdout)

"""Allocates from one of Arrow's memory pools, and prints what the pool says about itself."""
import os
import sys

import pyarrow

pool = getattr(pyarrow, sys.argv[1] + "_memory_pool")()
pyarrow.set_memory_pool(pool)
kept = [pyarrow.array(range(1000 * (i + 1)), type=pyarrow.int64()) for i in range(20)]
buffer = pyarrow.allocate_buffer(1_000_003, pool, resizable=True)
buffer.resize(3_000_001)
buffer.resize(2_000_001, shrink_to_fit=True)
kept.append(buffer)
del kept[3:7]
print(pool.bytes_allocated(), pool.total_bytes_allocated(), flush=True)
os._exit(0)

"""polars: jemalloc within a library, and threads of Rust."""
import polars as pl

frame = pl.DataFrame({"key": [number % 97 for number in range(500_000)], "value": list(range(500_000))})
print(frame.lazy().group_by("key").agg(pl.col("value").sum()).sort("key").head(5).collect())

"""A dask array, summed by processes and by threads."""
import dask
import dask.array


def main():
    array = dask.array.arange(4_000_000, chunks=500_000)
    for scheduler in ("processes", "threads"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            print(scheduler, int(((array % 7) ** 2).sum().compute()))


if __name__ == "__main__":
    main()

"""Pools of worker processes, by every method that Python has to start them."""
import concurrent.futures
import multiprocessing


def work(number):
    return number * len([bytes(1000 + number) for _ in range(100)])


if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, pool.map(work, range(20)), flush=True)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            print(method, sum(executor.map(work, range(20))), flush=True)

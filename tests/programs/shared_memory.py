# Shares 20 MiB with a child, and maps a file of 30 MiB.
import mmap
import tempfile
from multiprocessing import Process, shared_memory

SIZE = 20 << 20


def child(name):
    shared = shared_memory.SharedMemory(name=name)
    shared.buf[0] = 7
    shared.close()


if __name__ == "__main__":
    shared = shared_memory.SharedMemory(create=True, size=SIZE)
    shared.buf[:] = b"\1" * SIZE
    process = Process(target=child, args=(shared.name,))
    process.start()
    process.join()
    print(shared.buf[0], process.exitcode)
    shared.close()
    shared.unlink()
    with tempfile.TemporaryFile() as file:
        file.truncate(30 << 20)
        mapped = mmap.mmap(file.fileno(), 0)
        mapped[5:8] = b"abc"
        print(mapped[5:8])
        mapped.close()

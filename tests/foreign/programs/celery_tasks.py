"""A worker with two processes, a broker of files, and two hundred tasks."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from celery import Celery

FOLDER = os.environ.get("TASKS_FOLDER") or tempfile.mkdtemp()
app = Celery("celery_tasks", broker="filesystem://", backend=f"file://{FOLDER}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{FOLDER}/queue", "data_folder_out": f"{FOLDER}/queue", "control_folder": f"{FOLDER}/control"}


@app.task
def count_words(text):
    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    return max(counts.values())


def main():
    for name in ("queue", "results", "control"):
        os.mkdir(f"{FOLDER}/{name}")
    # Under its own name, not as __main__, the worker knows the same tasks.
    import celery_tasks
    results = [celery_tasks.count_words.delay("one two two " * number) for number in range(1, 201)]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2", "--loglevel", "ERROR",
         "--without-gossip", "--without-mingle", "--without-heartbeat"],
        env={**os.environ, "TASKS_FOLDER": FOLDER}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(sum(result.get(timeout=120) for result in results))
    worker.send_signal(signal.SIGTERM)
    print("worker", worker.wait(timeout=60))
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    os.environ.setdefault("TASKS_FOLDER", FOLDER)
    main()

"""gunicorn with two uvicorn workers, which answer three hundred requests."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import time


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    number = int(scope["path"].strip("/") or 0)
    body = b"x" * number
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def ask(port, number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{number}")
    answer = connection.getresponse()
    length = len(answer.read())
    connection.close()
    return answer.status, length


def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-w", "2", "-k", "uvicorn.workers.UvicornWorker", "--log-level", "error",
         "-b", f"127.0.0.1:{port}", "gunicorn_uvicorn:application"])
    for _ in range(600):
        try:
            ask(port, 0)
            break
        except OSError:
            time.sleep(0.1)
    answers = [ask(port, number * 100) for number in range(300)]
    print({status for status, _ in answers}, sum(length for _, length in answers))
    server.send_signal(signal.SIGTERM)
    print("server", server.wait(timeout=60))


if __name__ == "__main__":
    main()

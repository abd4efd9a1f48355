"""A monkey-patched server with many greenlets, and their clients."""
from gevent import monkey

monkey.patch_all()

import http.client
import json

import gevent
from gevent.pywsgi import WSGIServer


def application(environ, start_response):
    rows = [{"row": row, "path": environ["PATH_INFO"]} for row in range(50)]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(rows).encode()]


def ask(port, number):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/{number}")
    rows = json.loads(connection.getresponse().read())
    connection.close()
    return len(rows)


server = WSGIServer(("127.0.0.1", 0), application, log=None)
server.start()
jobs = [gevent.spawn(ask, server.server_port, number) for number in range(300)]
gevent.joinall(jobs, raise_error=True)
print(sum(job.value for job in jobs))
server.stop()

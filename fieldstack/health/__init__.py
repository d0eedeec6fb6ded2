"""HealthCheck and HealthCheckServer: is this cell well, for people, Kubernetes and Prometheus.

The server is a child process of Non-RT that outlives it: `python -m fieldstack.health --settings FILE`. It
reads the shared memory read-only, looks at everything in threads of its own, and answers from what they saw
last, so that no answer waits for RT, Non-RT or a disk.

Non-RT starts it as module `health` and reads its beat (`beat.py`): a beat is written only after a whole
request was answered over the server's own socket, with a fresh look at the shared memory.
"""

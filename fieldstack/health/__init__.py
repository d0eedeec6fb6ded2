"""HealthCheck and HealthCheckServer: is this cell well, for people, Kubernetes and Prometheus.

The server is a child process of Non-RT that outlives it: `python -m fieldstack.cli.health --settings FILE`.
It reads the shared memory read-only, looks at everything in threads of its own, and answers from what they
saw last, so that no answer waits for RT, Non-RT or a disk.

Non-RT starts it as module `health` and reads its beat (`beat.py`): a beat is written only after a whole
request was answered over the server's own socket, with a fresh look at the shared memory.

| file of the runtime folder | what |
| --- | --- |
| health.json | the settings, written by who starts the cell |
| health.beat | pid, count and CLOCK_MONOTONIC ns of the last beat; its time-outs are in `beat.py` |
| health-endpoint.json | the URL, or why there is none (`endpoint.read_endpoint`) |
| health.sock | the same server on a UNIX socket |
| health.token | what commands need, mode 0600 |

A taken port is no failure: the server lives on, tells so, and takes the port as soon as it is free. It ends
with 0 at SIGTERM, within three seconds, and by itself when the cell's shared memory is gone for five seconds.
"""

"""HealthCheck and HealthCheckServer tell people, Kubernetes and Prometheus whether a cell is well.

The server is a process of its own: `python -m fieldstack.cli.health --settings FILE`. `fieldstack up` or
systemd keeps it running, so it outlives Non-RT. It maps the shared memory read-only, observes everything in
threads of its own, and answers from what they saw last: no answer waits for RT, Non-RT or a disk.

Non-RT watches it as its module `health` by a beat (`fieldstack.status.beat`). A beat is written only after
a whole request was answered over the server's own socket, with a fresh observation of the shared memory.

| file of the runtime folder | what |
| --- | --- |
| health.json | the settings, written by who starts the cell |
| health.beat | pid, count and CLOCK_MONOTONIC ns of the last beat |
| health-endpoint.json | the URL, or why there is none (`fieldstack.status.endpoint`) |
| health.sock | the same server on a UNIX socket |
| health.token | what commands need, mode 0600 |

A port that is taken is no failure: the server lives on, says so, and takes the port as soon as it is free.
It ends with 0 at SIGTERM, within three seconds, and by itself when the cell's shared memory is gone for
five seconds.

Layers: `model` < `sources` (they observe) and `checks` (they judge) < `http` and `metrics` (they answer) <
`server`.
"""

"""The process that moves the machine: it runs tasks, plans their motion and streams setpoints to RT.

Users know it as `fieldstack-core`, the Main Core; it will be called Tasks.

Every 20 ms it makes a pass (process.py): do what commands ask; read what RT says; have the TaskExecutor count
what was played and fill the setpoint ring some 200 ms ahead; write the checkpoint into the shared memory;
begin the calls that came up; beat. When it dies, the ring runs out, RT stops the axes, and its successor
goes on from the checkpoint.

Threads: the main one makes the passes, and only it touches tasks. `task-commands` serves the control socket
and hands work to the passes. `task-recorder` writes to the disk how tasks ended. Each call of a Python
function has a thread of its own. No pass waits for a disk, a client or a call.

Rooms, each knows only those before it: `program` (a task as declared, compiled against the machine), `motion`
(from a program to setpoints), `state` (where each task stands), `keep` (what outlives the process), `run`
(the executor and its parts), `control` (commands in, status out).
"""

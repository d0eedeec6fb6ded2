"""The Non-RT process: guards RT, decides what follows a failure, restarts, and serves operators.

It needs no other process of ours to work. `fieldstack up` or systemd starts it, and starts it again when it
ends unasked. Its command line is `python -m fieldstack.nonrt --settings FILE`.

Start (`opening`, `beginning`, `parts`): the policy is read first, for a bad one starts nothing. Then come
the event log, the shared memory (`memory_claim`), the guard, the process manager, the checkpoint, the
monitor, the control socket, supervision and the loop. RT and Core that run already are adopted. What a step
opens is closed in reverse order: at the end, and when a later step fails.

Loop (`nonrt`, `loop`): one thread waits for the time of the next pass (20 ms; 4 ms while something is on
its way), or for what needs one at once: the guard, the end of a process, an operator, a signal. A pass
(`supervision`) observes, decides (`fieldstack.ha.decision`), carries out (`failover_manager`), keeps
(`state_keeper`), publishes (`status`) and beats. It waits for nothing: what takes time is read back in
later passes. `upkeep` has its turn after each pass. Commands (`operator_commands`) are taken between two
passes, and answered then or by a later pass (`pending_answers`).

Threads: the loop; the guard (C, SCHED_FIFO); one each that writes the event log, the checkpoint, the
process history and the count of restarts; one that asks the Main Core. Once the cell moves, those of the
modules come (alerts, resource sampler, prediction). Only the loop beats, and it waits for no other thread.

End (`nonrt`): Core and then RT are stopped, with passes that decide nothing. Where systemd wants it, both
are left running. Passes that go on failing, a guard that stands still, or a memory that is lost end the
process: the next one begins with fresh facts.
"""

"""The channel `command`: runs any program, with the alert as JSON on its standard input.

`make` builds it. The program is killed when its time is up.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile

from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.model.settings import CommandSection

_OUTPUT = 300
_WAIT_S = 1.0


class CommandChannel:
    def __init__(self, section: CommandSection) -> None:
        self._argv = tuple(section.argv)
        self.timeout_s = section.timeout_s

    def deliver(self, alert: Alert) -> str:
        content = json.dumps(alert.to_dict()).encode() + b"\n"
        name = self._argv[0]
        try:
            # Output to a file, not a pipe: who inherits it can neither block nor keep us waiting for its end.
            with tempfile.TemporaryFile() as output:
                process = subprocess.Popen(
                    self._argv, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
                )
                status = self._run(process, content)
                output.seek(0)
                said = output.read(_OUTPUT).decode(errors="replace").strip()
        except OSError as error:
            raise DeliveryError(f"{name}: {error.strerror or error}") from None
        if status is None:
            raise DeliveryError(f"{name}: did not end within {self.timeout_s:g} s and was killed")
        if status != 0:
            raise DeliveryError(f"{name}: exit status {status}" + (f" ({said})" if said else ""))
        return f"{name}: exit status 0"

    def _run(self, process: subprocess.Popen[bytes], content: bytes) -> int | None:
        """Exit status; None: its time was up."""
        try:
            process.communicate(content, self.timeout_s)
            return process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it was not reaped: the number is still its own
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_WAIT_S)
            return None

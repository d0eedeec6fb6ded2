"""Runs a command without privileges: in a user and network namespace, where it may do what the bus needs.

`fieldstack up` and `fieldstack bus` use it. The re-executed command uses the same folders and shared memory
as outside, because other terminals look for them there.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import NoReturn

from fieldstack_base.instance import Instance

MARK = "FIELDSTACK_NAMESPACE"
"""Set in the environment of a re-executed command: the user's own uid outside."""

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


_USER_REMEDY = (
    "Run as root, or allow namespaces: sudo sysctl -w user.max_user_namespaces=10000 "
    "(on Ubuntu also: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)."
)
_ROOT_REMEDY = (
    "This is a root without its capabilities, as in a container: "
    "start that with --cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_NICE --cap-add IPC_LOCK, "
    "or run as an ordinary user."
)


class NamespaceError(Exception):
    """The kernel does not let this user make a user and network namespace."""

    def __init__(self, step: str, error: OSError, uid: int) -> None:
        super().__init__(
            "this process may not make network interfaces, and the kernel refuses it a namespace of its own "
            f"({step}: {error.strerror}). {_USER_REMEDY if uid else _ROOT_REMEDY}"
        )
        self.step, self.error = step, error


def inside() -> bool:
    """This process was re-executed into a namespace."""
    return MARK in os.environ


def re_execute(instance: Instance) -> NoReturn:
    """Start this command again as root of a new user and network namespace. Call it with one thread only.

    Raises:
        NamespaceError: the kernel refuses.
    """
    uid, gid = os.geteuid(), os.getegid()
    instance.prepare()
    environment = dict(os.environ)
    environment[MARK] = str(uid)
    environment["FIELDSTACK_RUNTIME_DIR"] = str(instance.runtime_dir.parent)
    environment["FIELDSTACK_STATE_DIR"] = str(instance.state_dir.parent)
    _unshare(CLONE_NEWUSER | CLONE_NEWNET, uid)
    _map_ids(uid, gid)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def _unshare(flags: int, uid: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise NamespaceError("unshare", OSError(error, os.strerror(error)), uid)


def _map_ids(uid: int, gid: int) -> None:
    own = Path("/proc/self")
    try:
        (own / "setgroups").write_text("deny", encoding="ascii")
        (own / "uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        (own / "gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    except OSError as error:
        raise NamespaceError("mapping the user id", error, uid) from error

#!/bin/sh
# Finds what the set-up needs of the system. As root on Debian or Ubuntu it installs what is missing;
# otherwise it names the command that does. PYTHON chooses the interpreter. Exit 0: all there, 4: not.
set -eu

python=${PYTHON:-python3}
packages=

need() {
    echo "missing: $1 (Debian package $2)"
    packages="$packages $2"
}

check_python() {
    if ! command -v "$python" >/dev/null 2>&1; then
        need "a Python interpreter, $python" python3
        need "Python's header files" python3-dev
        need "Python's venv module" python3-venv
        return
    fi
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "$("$python" --version) is too old: Fieldstack needs Python 3.11 or newer." >&2
        echo "Name a newer one, for example: make run PYTHON=python3.11" >&2
        exit 4
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv module" python3-venv
    header='import sysconfig, pathlib, sys; sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'
    "$python" -c "$header" || need "Python's header files" python3-dev
}

check_compiler() {
    compiler=$(command -v cc || command -v gcc || true)
    if [ -z "$compiler" ]; then
        need "a C compiler" gcc
        need "the C library's header files" libc6-dev
        return
    fi
    printf '#include <pthread.h>\n#include <linux/if_packet.h>\nint x;\n' |
        "$compiler" -x c -fsyntax-only - 2>/dev/null || need "the C library's header files" libc6-dev
}

check_tools() {
    PATH="$PATH:/usr/sbin:/sbin"
    command -v ip >/dev/null 2>&1 || need "the ip command" iproute2
    # cyclictest is only what benchmarks compare with: wanted, not needed.
    command -v cyclictest >/dev/null 2>&1 || wanted=rt-tests
}

wanted=
check_python
check_compiler
check_tools

if [ -z "$packages" ]; then
    [ -z "$wanted" ] || echo "optional: $wanted is not installed; the benchmarks compare with its cyclictest"
    exit 0
fi

install="apt-get install -y --no-install-recommends$packages${wanted:+ $wanted}"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Install what is missing, then run make again:" >&2
    echo "    sudo $install" >&2
    exit 4
fi
echo "installing:$packages${wanted:+ $wanted}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
$install >/dev/null

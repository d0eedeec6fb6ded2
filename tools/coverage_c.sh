#!/bin/sh
# Line coverage of the C code by quick tests and the fuzzers. Usage: coverage_c.sh FLOOR BIN; FLOOR: the least total, per
# cent; BIN: the virtual environment's bin folder. Exit 1: below the floor, or something failed.
# It works on a copy in build/coverage-c/, so that the modules in use stay as they are.
set -eu

floor=$1
bin=$(cd "$2" && pwd)
copy=build/coverage-c

rm -rf "$copy"
mkdir -p "$copy"
tar --exclude=./.git --exclude=./.venv --exclude=./build --exclude='*.so' -cf - . | tar -xf - -C "$copy"
cd "$copy"

# Last on the command line: -O2 of the build scripts would blur the lines.
printf '#!/bin/sh\nexec cc "$@" -O0 --coverage\n' >cc-with-coverage
chmod +x cc-with-coverage
CC="$PWD/cc-with-coverage" "$bin/python" setup.py -q build_ext --inplace

failed=0
export PYTHONPATH="$PWD:$PWD/base:$PWD/rt:$PWD/ethercat"
"$bin/python" -c 'import sys, fieldstack_rt._native as it; sys.exit("coverage-c" not in it.__file__)'
"$bin/python" -m pytest -q -p no:cacheprovider $(cat tools/coverage_c_tests.txt) || failed=1

# RT's own process is often killed, and takes its counts with it: the cycle is counted here.
for fuzzer in $(cd tests/fuzz && ls ./*.c); do
    name=build/c/fuzz/$(basename "$fuzzer" .c)
    make -s C_SANITIZED='-O0 -g --coverage' "$name"
    "$name" 1 5 || failed=1
done

"$bin/python" tools/coverage_c.py "$floor" build || failed=1
exit "$failed"

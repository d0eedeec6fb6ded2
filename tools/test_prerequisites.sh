#!/bin/sh
# What tests need beside the set-up: a systemd that boots in a container (tests/systemd/), cyclictest (tests/bench/). As root
# on Debian or Ubuntu it installs what is missing; elsewhere it names it, and those tests are skipped and say why. Exit 0:
# always.
set -u

packages=
PATH="$PATH:/usr/sbin:/sbin"
command -v systemctl >/dev/null 2>&1 || packages="$packages systemd"
command -v systemd-nspawn >/dev/null 2>&1 || packages="$packages systemd-container"
command -v dbus-daemon >/dev/null 2>&1 || packages="$packages dbus"
command -v unshare >/dev/null 2>&1 || packages="$packages util-linux"
[ -e /usr/lib/polkit-1/polkitd ] || [ -e /usr/libexec/polkitd ] || packages="$packages polkitd"

command -v cyclictest >/dev/null 2>&1 || packages="$packages rt-tests"

[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "tests will be skipped; they need root and:$packages"
    exit 0
fi
echo "installing:$packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y --no-install-recommends $packages >/dev/null ||
    echo "could not be installed:$packages; their tests will be skipped"
exit 0

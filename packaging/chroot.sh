#!/bin/sh
# Makes a fresh chroot of Debian for the time of its hooks. What a hook prints comes by standard error.
#
#   packaging/chroot.sh OPTION... SUITE /dev/null SOURCE...	as of mmdebstrap(1)
#
# The clock of the machine may be any, so that lists of packages are taken at any age.
exec mmdebstrap --quiet --format=null --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' "$@"

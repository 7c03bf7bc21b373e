#!/bin/sh
# Prints the symbols of an export list (a linker version script with one symbol a line).
#
#   scripts/symbols.sh abi/0.8/exports.map
set -eu
sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$1"

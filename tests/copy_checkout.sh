#!/usr/bin/env bash
# Copy this checkout into an existing folder without what was built in it: neither a
# compiled module nor a build folder may stand in for what a check makes.
#
#   tests/copy_checkout.sh FOLDER
set -euo pipefail
target=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
git ls-files -z --cached --others --exclude-standard \
    | tar --create --null --files-from=- --ignore-failed-read 2> /dev/null \
    | tar --extract --directory "$target"

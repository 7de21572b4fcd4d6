#!/usr/bin/env bash
# Install a copy of this checkout where no compiler works, and run a picture on
# the NumPy back end. Prints what it checks; fails at the first thing that is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/source"
bash tests/copy_checkout.sh "$work/source"

"${PYTHON:-python3}" -m venv "$work/venv"
CC=/bin/false CXX=/bin/false LD=/bin/false "$work/venv/bin/python" -m pip install \
    --quiet --disable-pip-version-check "$work/source"

# From here on nothing may be found in the checkout, and nothing be chosen by
# the caller's environment.
cd "$work"
unset ZOO_BACKEND ZOO_NUM_THREADS PYTHONPATH
zoo="$work/venv/bin/zoo"

fail() {
    echo "no compiler: $*" >&2
    exit 1
}

"$zoo" info > info.txt
grep -E '^back end native .*(not compiled|cannot be loaded)' info.txt \
    || fail "zoo info does not say that the native back end is missing"
grep -E '^what runs +numpy' info.txt || fail "zoo info does not say that numpy runs"

"$work/venv/bin/python" - << 'END'
import cv2
import numpy as np

import zoo
from zoo.checkpoints.files import save_weights

rows, columns = np.mgrid[0:24, 0:32]
picture = np.stack([8 * columns, 10 * rows, 4 * (rows + columns)], axis=2)
cv2.imwrite("photo.png", picture.astype(np.uint8))

with open("tiny.cfg", "w") as file:
    file.write(
        "[net]\nchannels=3\n"
        "[convolutional]\nfilters=12\nsize=3\npad=1\nactivation=linear\n"
        "[shuffler]\nscale=2\n"
    )
network = zoo.Network.read("tiny.cfg").initialize(0)
save_weights(network, "tiny.safetensors")
END

"$zoo" run tiny.cfg photo.png -o large.png
"$work/venv/bin/python" -c '
import cv2
assert cv2.imread("large.png").shape == (48, 64, 3)
'

if "$zoo" run tiny.cfg photo.png -o other.png --backend native 2> error.txt; then
    fail "a back end that is missing was replaced by another in silence"
fi
grep -q '^zoo: .*native' error.txt || fail "the error does not name the back end"
test ! -e other.png || fail "an output file was left behind"
cat error.txt
echo "no compiler: all is well"

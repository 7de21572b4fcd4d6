#!/usr/bin/env bash
# Compile the kernels for AArch64 with a cross compiler and run the native back
# end's tests on an emulated processor: qemu-user, a Python of Debian's, wheels.
# Compile them for Windows too (MinGW) and with clang, as far as that goes without
# running them. Needs `make demo` first, for the C that Cython writes.
#
#   tests/check_aarch64.sh [TESTS]...   by default those that take some five minutes
#
# On Debian, root gets what is missing by apt-get; others are told what to install.
# All else goes into build/aarch64.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
work=$root/build/aarch64
native=$root/zoo/plugins/native
python=${PYTHON:-$root/.venv/bin/python}
version=3.11 # of Debian's Python

fail() {
    echo "aarch64: $*" >&2
    exit 1
}

[ -f "$native/_native.c" ] || fail "run make demo first: $native/_native.c is missing"

needed=()
command -v aarch64-linux-gnu-gcc > /dev/null || needed+=(gcc-aarch64-linux-gnu)
command -v qemu-aarch64 > /dev/null || needed+=(qemu-user)
command -v x86_64-w64-mingw32-gcc > /dev/null || needed+=(gcc-mingw-w64-x86-64)
command -v clang > /dev/null || needed+=(clang)
if [ ${#needed[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null \
        || fail "install these packages: ${needed[*]}"
    apt-get update -q > /dev/null
    apt-get install -q -y --no-install-recommends "${needed[@]}" libc6-dev-arm64-cross \
        > /dev/null
fi

# -- a Python for AArch64 ------------------------------------------------------

mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,objects}
if [ ! -f "$work/ready" ]; then
    # Lists and packages of the other architecture stay apart from the machine's own.
    cat > "$work/apt.conf" << END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Dir::State::lists "$work/lists";
Dir::State::status "/dev/null";
Dir::Cache "$work/cache";
END
    (
        export APT_CONFIG=$work/apt.conf
        cd "$work/debs"
        apt-get update -q > /dev/null
        apt-get download -q python$version-minimal libpython$version-{minimal,stdlib,dev} \
            libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 \
            liblzma5 libsqlite3-0 libuuid1 libcrypt1 > /dev/null
        for package in *.deb; do dpkg-deb -x "$package" "$work/system"; done
    )
    platforms=(--platform any)
    for glibc in 2_17 2_24 2_26 2_27 2_28 2_31 2_34; do
        platforms+=(--platform "manylinux_${glibc}_aarch64")
    done
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: "${platforms[@]}" --platform manylinux2014_aarch64 \
        --python-version $version --implementation cp \
        --abi "cp${version/./}" --abi abi3 --abi none --dest "$work/wheels" \
        numpy opencv-python-headless pyyaml safetensors click tqdm \
        pytest pluggy iniconfig packaging pygments hypothesis sortedcontainers
    for wheel in "$work"/wheels/*.whl; do
        "$python" -m zipfile -e "$wheel" "$work/site"
    done
    touch "$work/ready"
fi

# -- compiled ------------------------------------------------------------------

flags=(-O3 -g0 -std=gnu11 -fno-math-errno -fno-trapping-math -ffp-contract=fast)
headers=$work/system/usr/include
rm -f "$work"/objects/*
echo "== AArch64"
for source in "$native"/*.c; do
    echo "$source"
done | xargs -P 2 -I{} sh -c 'aarch64-linux-gnu-gcc "$@" -c {} \
    -o "$0/objects/$(basename {}).o"' "$work" "${flags[@]}" -pthread -fPIC \
    -I"$headers/python$version" -I"$headers"

# The kernels alone; what Cython wrote needs headers of a Python of that system.
compile_only() {
    local name=$1
    shift
    echo "== $name"
    for source in "$native"/*.c; do
        [ "$(basename "$source")" = _native.c ] || echo "$source"
    done | xargs -P 2 -I{} "$@" -Wall -Werror -Wno-unknown-pragmas -c {} -o /dev/null
}
compile_only "Windows (MinGW)" x86_64-w64-mingw32-gcc "${flags[@]}"
compile_only "clang" clang "${flags[@]}" -pthread
compile_only "clang, scalar" clang "${flags[@]}" -pthread -DZOO_SCALAR

# -- run -----------------------------------------------------------------------

rm -rf "$work/tree"
mkdir "$work/tree"
bash tests/copy_checkout.sh "$work/tree"
aarch64-linux-gnu-gcc -shared -pthread "$work"/objects/*.o -lm \
    -o "$work/tree/zoo/plugins/native/_native.cpython-${version/./}-aarch64-linux-gnu.so"
"$python" - "$work/tree/cfgzoo.dist-info" << 'END' || fail "run make demo first"
import sys
from importlib.metadata import distribution
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir()
for name in ("METADATA", "entry_points.txt"):
    folder.joinpath(name).write_text(distribution("cfgzoo").read_text(name) or "")
END

cd "$work/tree"
# Skips are meant here: there is neither PyTorch nor ../shared.
unset CI ZOO_ISA ZOO_BACKEND ZOO_NUM_THREADS
export PYTHONPATH=$work/tree:$work/tree/tests:$work/site
export PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
emulated() {
    qemu-aarch64 -L "$work/system" "$work/system/usr/bin/python$version" "$@"
}
echo "== on an emulated processor"
emulated -m zoo info | grep -E '^(Python|back end native)' | tee info.txt
grep -q 'native *NEON' info.txt || fail "the NEON kernels are not used"
emulated - << 'END'
import numpy as np

import zoo

picture = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
mine, numpy = (zoo.load("edsr_r8f32_x2", backend=b)(picture) for b in ("native", "numpy"))
wrong = np.abs(mine.astype(int) - numpy.astype(int))
print(f"edsr_r8f32_x2: {mine.shape}, largest difference from NumPy {wrong.max()}")
assert mine.shape == (80, 96, 3) and wrong.max() <= 1 and wrong.mean() < 1e-3
END
if [ $# -eq 0 ]; then
    set -- tests/plugins/test_native_{selftest,convolution,gradients,operations}.py
fi
emulated -m pytest -q -p no:cacheprovider "$@"
echo "aarch64: all is well"

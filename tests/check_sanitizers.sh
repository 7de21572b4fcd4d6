#!/usr/bin/env bash
# Build the kernels with ThreadSanitizer, then with AddressSanitizer and
# UndefinedBehaviorSanitizer, in a copy of this checkout, and run the tests of the
# native back end's plans and kernels under each. Needs gcc, and what the tests
# need. Takes some ten minutes; fails at the first report.
#
#   tests/check_sanitizers.sh [thread|address]...   both by default
#
# PYTHON names the interpreter, which has zoo and what its tests need (`make sanitizers`
# makes an environment first); by default that of .venv, if there is one. ARGS goes to
# pytest. Nothing is left behind in the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-$(ls .venv/bin/python 2> /dev/null || echo python3)}
# The program itself: a shell script in its place would be preloaded with the libraries.
python=$("$python" -c 'import sys; print(sys.executable)')
compiler="${CC:-gcc}"
work=$(mktemp -d)
reports=$(mktemp -d)
# pytest holds back what is printed, and a report ends the process.
trap 'cat "$reports"/* 2> /dev/null || true; rm -rf "$work" "$reports"' EXIT

bash tests/copy_checkout.sh "$work"
cd "$work"

export PYTHONPATH="$work:$work/tests" PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
# Threads of libraries that are not instrumented look like races.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
options="halt_on_error=1 exitcode=66 log_path=$reports/report"
export TSAN_OPTIONS="$options ignore_noninstrumented_modules=1"
export ASAN_OPTIONS="$options detect_leaks=0 allocator_may_return_null=1"
export UBSAN_OPTIONS="$options print_stacktrace=1"

check() {
    local name=$1 flags=$2 library=$3
    shift 3
    echo "== $name"
    # -O1: reports name lines; the loops that race are the same.
    ZOO_CFLAGS="-O1 -g1 -fno-omit-frame-pointer $flags" LDFLAGS="$flags" CC="$compiler" \
        "$python" setup.py --quiet build_ext --inplace --force
    library=$("${compiler##* }" -print-file-name="$library")
    if ! LD_PRELOAD="$library" "$python" -c 'import sys; from zoo.plugins.native import codes
sys.exit(not codes._native.__file__.startswith(sys.argv[1]))' "$work"; then
        echo "the kernels built with $flags are not the ones that $python imports" >&2
        exit 1
    fi
    LD_PRELOAD="$library" "$python" -m pytest -q -n 0 -p no:cacheprovider ${ARGS:-} "$@"
    rm -rf build zoo/plugins/native/*.so
}

plans=(tests/engine tests/program)
kernels=(tests/plugins/test_native_*.py)
for name in "${@:-thread address}"; do
    for each in $name; do
        case $each in
            thread) check thread -fsanitize=thread libtsan.so "${plans[@]}" ;;
            address)
                check address "-fsanitize=address,undefined -fno-sanitize=alignment" \
                    libasan.so "${plans[@]}" "${kernels[@]}"
                ;;
            *) echo "give thread, address, or nothing" >&2; exit 2 ;;
        esac
    done
done
echo "sanitizers: all is well"

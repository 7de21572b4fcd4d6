#!/usr/bin/env bash
# Build the kernels with ThreadSanitizer, then with AddressSanitizer and
# UndefinedBehaviorSanitizer, in a copy of this checkout, and run the tests of the
# native back end that reach every step, kernel and gradient under each. Needs gcc, and
# what the tests need. Takes some five minutes on two cores, more beside other work;
# fails at the first report.
#
#   tests/check_sanitizers.sh [thread|address]...   both by default
#
# PYTHON names the interpreter, which has zoo and what its tests need (`make sanitizers`
# makes an environment first); by default that of .venv, if there is one. ARGS goes to
# pytest. Nothing is left behind in the checkout.
#
# It first shows that it would notice: a race and an overflow (tests/sanitizers/faults.c)
# must each be reported.
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

export PYTHONPATH="$work:$work/tests" PYTHONDONTWRITEBYTECODE=1
# Threads of libraries that are not instrumented look like races.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
options="halt_on_error=1 exitcode=66 log_path=$reports/report"
export TSAN_OPTIONS="$options ignore_noninstrumented_modules=1"
export ASAN_OPTIONS="$options detect_leaks=0 allocator_may_return_null=1"
export UBSAN_OPTIONS="$options print_stacktrace=1"

# In faults.c, built and started as the kernels are: it must be reported.
must_report() {
    local fault=$1 flags=$2 library=$3 code=0
    gcc -shared -fPIC -pthread -O1 -g1 $flags tests/sanitizers/faults.c \
        zoo/plugins/native/threads.c -I zoo/plugins/native -o "$work/faults.so"
    LD_PRELOAD="$library" "$python" -c "import ctypes, sys
getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])()" "$work/faults.so" "$fault" \
        > "$work/fault.log" 2>&1 || code=$?
    if [ "$code" != 66 ]; then
        cat "$work/fault.log"
        echo "the $fault of tests/sanitizers/faults.c was not reported" >&2
        exit 1
    fi
    rm -f "$reports"/* "$work/faults.so"
}

check() {
    local name=$1 flags=$2 library=$3
    shift 3
    echo "== $name"
    library=$("${compiler##* }" -print-file-name="$library")
    if [ "$name" = thread ]; then
        must_report race "$flags" "$library"
    else
        must_report overflow "$flags" "$library"
    fi
    # -O1: reports name lines; the loops that race are the same.
    ZOO_CFLAGS="-O1 -g1 -fno-omit-frame-pointer $flags" LDFLAGS="$flags" CC="$compiler" \
        "$python" setup.py --quiet build_ext --inplace --force
    if ! LD_PRELOAD="$library" "$python" -c 'import sys; from zoo.plugins.native import codes
sys.exit(not codes._native.__file__.startswith(sys.argv[1]))' "$work"; then
        echo "the kernels built with $flags are not the ones that $python imports" >&2
        exit 1
    fi
    # Without PyTorch, whose own threads are not instrumented.
    LD_PRELOAD="$library" "$python" -m pytest -q -n 0 -p no:cacheprovider \
        -p few_examples -k "not torch" ${ARGS:-} "$@"
    rm -rf build zoo/plugins/native/*.so
}

# Every step, algorithm and gradient on several threads; then every instruction set.
threads=(
    tests/engine/test_every_step.py
    tests/engine/test_attention_plans.py
    tests/plugins/test_native_gradients.py
    tests/plugins/test_native_operations.py
)
kernels=(
    "${threads[@]}"
    tests/plugins/test_native_convolution.py
    tests/plugins/test_native_amx.py
    tests/plugins/test_native_selftest.py
)
# Without the checks of pointers, and calls for those of addresses: gcc takes minutes for
# each instruction set else. AddressSanitizer sees what a wrong pointer reads.
undefined="undefined -fno-sanitize=alignment,null,object-size"
calls="--param asan-instrumentation-with-call-threshold=100"
for name in "${@:-thread address}"; do
    for each in $name; do
        case $each in
            thread) check thread -fsanitize=thread libtsan.so "${threads[@]}" ;;
            address)
                check address "-fsanitize=address,$undefined $calls" libasan.so \
                    "${kernels[@]}"
                ;;
            *) echo "give thread, address, or nothing" >&2; exit 2 ;;
        esac
    done
done
echo "sanitizers: all is well"

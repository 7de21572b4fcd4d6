#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "cpu.h"

#if defined(__x86_64__) || defined(_M_X64)
#define ZOO_X86 1
#endif

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#if defined(ZOO_X86) && defined(__linux__)
#include <sys/syscall.h>
#endif

#ifdef ZOO_X86
#ifdef _MSC_VER
#include <intrin.h>
static void cpuid(unsigned leaf, unsigned sub, unsigned r[4]) {
    __cpuidex((int *)r, (int)leaf, (int)sub);
}
static uint64_t xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(unsigned leaf, unsigned sub, unsigned r[4]) {
    __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
}
static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#endif

/* Linux hands out the tile registers only to processes that ask for them. */
static int tiles_permitted(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
    const long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return 0;
#endif
}

static int bit(unsigned word, int position) { return (int)((word >> position) & 1u); }

static int find_level(void) {
    unsigned r[4], leaf1c, leaf7b, leaf7d;
    uint64_t enabled;
    cpuid(0, 0, r);
    if (r[0] < 7)
        return ZOO_PORTABLE;
    cpuid(1, 0, r);
    leaf1c = r[2];
    if (!bit(leaf1c, 27)) /* OSXSAVE: else xgetbv does not exist */
        return ZOO_PORTABLE;
    cpuid(7, 0, r);
    leaf7b = r[1];
    leaf7d = r[3];
    enabled = xcr0();
    if (!(bit(leaf1c, 12) && bit(leaf1c, 28) && bit(leaf1c, 29) && bit(leaf7b, 5) &&
          (enabled & 0x6) == 0x6)) /* FMA, AVX, F16C, AVX2, saved registers */
        return ZOO_PORTABLE;
    if (!(bit(leaf7b, 16) && bit(leaf7b, 17) && bit(leaf7b, 30) && bit(leaf7b, 31) &&
          (enabled & 0xe6) == 0xe6)) /* F, DQ, BW, VL, saved registers */
        return ZOO_AVX2;
    if (!(bit(leaf7d, 22) && bit(leaf7d, 24) && (enabled & 0x60000) == 0x60000 &&
          tiles_permitted())) /* AMX-BF16, AMX-TILE, saved tiles */
        return ZOO_AVX512;
    return ZOO_AMX;
}

/* Found once: cpuid leaves a virtual machine each time, which takes many times
 * what a small layer does. A forked child keeps its parent's permission. */
int zoo_cpu_level(void) {
    static volatile int known = -1;
    if (known < 0)
        known = find_level();
    return known;
}
#else
/* What follows portable is what every processor of the kind has. */
int zoo_cpu_level(void) {
#ifdef __aarch64__
    return ZOO_NEON;
#else
    return ZOO_PORTABLE;
#endif
}
#endif

int64_t zoo_l2_bytes(void) {
    int64_t found = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    found = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    if (found < (128 << 10) || found > (64 << 20))
        found = 512 << 10;
    return found;
}

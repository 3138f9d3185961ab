// kernel-tests [ROUNDS]: every test, so often, for every table of kernels that this processor has.
//
// Those of AMX are emulated where the processor has the other instructions that they are made of.
// TAPESTRY_TEST_SEED repeats a run from its seed; TAPESTRY_REQUIRE_ISA names a table whose lack is a failure.
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <TileEmulation.h>

#include "harness.h"

static struct {
    const char *table, *test;
    uint64_t seed;
} current;

static void print_place(void) {
    fprintf(
        stderr, "\n%s, %s: TAPESTRY_TEST_SEED=%llu repeats it in the first round\n", current.table, current.test,
        (unsigned long long)current.seed);
}

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    print_place();
    exit(1);
}

/// A kernel has touched a guard page. The program is about to end, so printing from here does no harm.
static void report_fault(int signal) {
    fprintf(stderr, "signal %d: memory was read or written outside of what a kernel was given", signal);
    print_place();
    _exit(1);
}

bound activated_bound(bound b, tk_activation activation) {
    switch (activation) {
    case TK_IDENTITY: return b;
    case TK_RELU: return (bound){b.value < 0 ? 0 : b.value, b.tolerance};
    case TK_SIGMOID:
    case TK_SWISH: {
        // Slopes are at most 1/4 and 1.1; e^x is right to 2 units in the last place, and never more than e^88.
        const double sigmoid = 1 / (1 + exp(-b.value));
        const double value = activation == TK_SIGMOID ? sigmoid : b.value * sigmoid;
        return (bound){value, 1.1 * b.tolerance + 16 * ROUNDING * fabs(value) + 1e-38 * (1 + fabs(b.value))};
    }
    }
    return b;
}

bool is_within(float x, bound b) { return isnan(b.value) ? isnan(x) : fabs((double)x - b.value) <= b.tolerance; }

int32_t draw_shares(stream *r, int32_t images, tk_share shares[MOST_SHARES]) {
    const int32_t parts = between(r, 1, MOST_SHARES), first = between(r, 0, parts - 1);
    for (int32_t i = 0; i < parts; ++i) shares[i] = (tk_share){images, (first + i) % parts, parts};
    return parts;
}

static const struct {
    const char *name;
    void (*run)(const tk_kernels *, stream *);
} tests[] = {
#define LIST(name) {#name, test_##name},
    KERNEL_TESTS(LIST) PLANE_TESTS(LIST)};

/// Those of each table's kernels, and with those that tables of floats have beside them.
#define COUNT(name) +1
enum { TESTS_OF_ALL = 0 KERNEL_TESTS(COUNT), TESTS_OF_FLOATS = TESTS_OF_ALL PLANE_TESTS(COUNT) };

/// The tables' names, which say an instruction set and, unless values are floats, what they are.
static const char *const tables[] = {
#define NAME(table) #table,
    TK_KERNELS(NAME)};

static void run_tests(const char *table, const tk_kernels *kernels, uint64_t seed, int32_t rounds) {
    current.table = table;
    const int32_t count = kernels->element_size == sizeof(float) ? TESTS_OF_FLOATS : TESTS_OF_ALL;
    for (int32_t i = 0; i < count; ++i) {
        current.test = tests[i].name;
        for (int32_t round = 0; round < rounds; ++round) {
            current.seed = seed + (uint64_t)round;
            stream r = {current.seed};
            tests[i].run(kernels, &r);
            check_guards();
            release_memory();
        }
    }
    printf(
        "%s: %d tests of kernels, %d rounds each with TAPESTRY_TEST_SEED=%llu, passed\n", table, count, rounds,
        (unsigned long long)seed);
}

int main(int count, char **arguments) {
    const int32_t rounds = count > 1 ? atoi(arguments[1]) : 200;
    const char *given = getenv("TAPESTRY_TEST_SEED"), *required = getenv("TAPESTRY_REQUIRE_ISA");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    if (count > 2 || rounds < 1) {
        fprintf(stderr, "usage: kernel-tests [ROUNDS]\n");
        return 64;
    }
    signal(SIGSEGV, report_fault);
    signal(SIGBUS, report_fault);
    bool has_required = !required || !*required;
    for (int32_t i = 0; i < tk_kernels_count(); ++i) {
        const bool is_emulated = !tk_has_kernels(i) && tk_kernels_at(i)->matrix_words > 1 && emulate_tiles();
        if (!tk_has_kernels(i) && !is_emulated) {
            printf("SKIPPED: kernel tests for %s, which this processor lacks\n", tables[i]);
            continue;
        }
        if (is_emulated) printf("%s: emulated, in a fifth of the rounds\n", tables[i]);
        run_tests(tables[i], tk_kernels_at(i), seed, is_emulated ? (rounds + 4) / 5 : rounds);
        has_required |= required && strcmp(tables[i], required) == 0;
    }
    if (!has_required) fprintf(stderr, "kernels for %s are required, but were not tested\n", required);
    return has_required ? 0 : 1;
}

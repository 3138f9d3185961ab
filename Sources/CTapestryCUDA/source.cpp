// The kernels' text, as the compiler at run time gets it. This compiler embeds the files, and builds again when one of
// them changes.
#include "tcu_api.h"

#include <cstdio>
#include <string>

#pragma clang diagnostic ignored "-Wc23-extensions"

namespace {

struct File {
    const char *name;
    const char *text;
};

constexpr char problem[] = {
#embed "include/tcu_problem.h"
    , 0};
constexpr char device[] = {
#embed "kernels/device.h"
    , 0};
constexpr char arithmetic[] = {
#embed "kernels/arithmetic.h"
    , 0};
constexpr char geometry[] = {
#embed "kernels/geometry.h"
    , 0};
constexpr char fragments[] = {
#embed "kernels/fragments.h"
    , 0};
constexpr char convolve[] = {
#embed "kernels/convolve.h"
    , 0};
constexpr char weigh[] = {
#embed "kernels/weigh.h"
    , 0};
constexpr char shift[] = {
#embed "kernels/shift.h"
    , 0};
constexpr char entry[] = {
#embed "kernels/entry.h"
    , 0};

/// In the order in which each needs those before it.
constexpr File files[] = {
    {"tcu_problem.h", problem}, {"device.h", device},     {"arithmetic.h", arithmetic},
    {"geometry.h", geometry},   {"fragments.h", fragments}, {"convolve.h", convolve},
    {"weigh.h", weigh},         {"shift.h", shift},       {"entry.h", entry},
};

std::string joined() {
    std::string all;
    // So that the compiler's complaints name the file and its line.
    for (const File &file : files) all += std::string("#line 1 \"") + file.name + "\"\n" + file.text;
    return all;
}

constexpr const char *arithmetic_types[] = {
#define TCU_TYPE(CONSTANT, TYPE, NAME) #TYPE,
    TCU_ARITHMETICS(TCU_TYPE)
#undef TCU_TYPE
};

}  // namespace

const char *tcu_source(void) {
    static const std::string &text = *new std::string(joined());
    return text.c_str();
}

void tcu_definitions(tcu_variant variant, char *arithmetic, char *shape) {
    const tcu_shape s = tcu_shape_at(variant.shape);
    std::snprintf(arithmetic, 64, "-DTCU_ARITHMETIC=%s", arithmetic_types[variant.arithmetic]);
    std::snprintf(shape, 64, "-DTCU_SHAPE=Shape<%d,%d,%d,%d>", s.rows, s.columns, s.warps_down, s.warps_across);
}

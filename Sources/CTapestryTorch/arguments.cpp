#include "arguments.h"

namespace tapestry {

namespace {

using c10::IValue;
using c10::TypeKind;

c10::TypePtr without_optional(const c10::TypePtr &type, bool &optional) {
    optional = type->kind() == TypeKind::OptionalType;
    return optional ? type->castRaw<c10::OptionalType>()->getElementType() : type;
}

[[noreturn]] void refuse(const Expected &expected, const char *given) {
    TORCH_CHECK(false, "argument '", expected.name, "' takes ", expected.type, ", given ", given);
}

template <typename Element>
const Element *elements(const TapestryArgument &argument) noexcept {
    return static_cast<const Element *>(argument.pointer);
}

IValue from_tensor(const TapestryArgument &argument, const Expected &expected) {
    if (expected.kind != TypeKind::TensorType) refuse(expected, "a tensor");
    return borrow(elements<TapestryTensor>(argument));
}

IValue from_integer(const TapestryArgument &argument, const Expected &expected) {
    switch (expected.kind) {
        case TypeKind::IntType:
        case TypeKind::NumberType: return argument.integer;
        case TypeKind::FloatType: return static_cast<double>(argument.integer);
        default: refuse(expected, "an integer");
    }
}

IValue from_real(const TapestryArgument &argument, const Expected &expected) {
    const bool fits = expected.kind == TypeKind::FloatType || expected.kind == TypeKind::NumberType;
    if (!fits) refuse(expected, "a real number");
    return argument.real;
}

IValue from_boolean(const TapestryArgument &argument, const Expected &expected) {
    if (expected.kind != TypeKind::BoolType && expected.kind != TypeKind::NumberType) refuse(expected, "a boolean");
    return argument.integer != 0;
}

IValue from_string(const TapestryArgument &argument, const Expected &expected) {
    std::string text(elements<char>(argument), static_cast<size_t>(argument.count));
    switch (expected.kind) {
        case TypeKind::StringType: return text;
        case TypeKind::DeviceObjType: return c10::Device(text);
        default: refuse(expected, "a string");
    }
}

IValue from_code(int64_t code, const Expected &expected, const char *given) {
    if (expected.kind != TypeKind::IntType) refuse(expected, given);
    return code;
}

IValue from_integers(const TapestryArgument &argument, const Expected &expected) {
    const auto *values = elements<int64_t>(argument);
    if (expected.kind == TypeKind::ListType && expected.element == TypeKind::IntType)
        return c10::List<int64_t>(at::ArrayRef<int64_t>(values, static_cast<size_t>(argument.count)));
    if (expected.kind != TypeKind::ListType || expected.element != TypeKind::BoolType) refuse(expected, "integers");
    c10::List<bool> booleans;
    for (int64_t i = 0; i < argument.count; ++i) booleans.push_back(values[i] != 0);
    return booleans;
}

IValue from_reals(const TapestryArgument &argument, const Expected &expected) {
    const bool fits = expected.kind == TypeKind::ListType && expected.element == TypeKind::FloatType;
    if (!fits) refuse(expected, "real numbers");
    return c10::List<double>(
        at::ArrayRef<double>(elements<double>(argument), static_cast<size_t>(argument.count)));
}

template <typename Element>
IValue tensor_list(const TapestryArgument &argument) {
    c10::List<Element> list;
    list.reserve(static_cast<size_t>(argument.count));
    for (int64_t i = 0; i < argument.count; ++i)
        list.push_back(Element(borrow(elements<const TapestryTensor *>(argument)[i])));
    return list;
}

IValue from_tensors(const TapestryArgument &argument, const Expected &expected) {
    if (expected.kind != TypeKind::ListType || expected.element != TypeKind::TensorType) refuse(expected, "tensors");
    return expected.element_optional ? tensor_list<std::optional<at::Tensor>>(argument)
                                     : tensor_list<at::Tensor>(argument);
}

}  // namespace

Expected::Expected(const c10::Argument &argument)
    : name(argument.name()), type(argument.real_type()->str()), otherwise(argument.default_value()) {
    const auto inner = without_optional(argument.type(), optional);
    kind = inner->kind();
    if (kind == TypeKind::ListType)
        element = without_optional(inner->castRaw<c10::ListType>()->getElementType(), element_optional)->kind();
}

IValue omitted(const Expected &expected) {
    TORCH_CHECK(expected.otherwise.has_value(), "argument '", expected.name, "' is missing and has no default");
    return *expected.otherwise;
}

IValue converted(const TapestryArgument &argument, const Expected &expected) {
    switch (argument.kind) {
        case TAPESTRY_OMITTED: return omitted(expected);
        case TAPESTRY_NONE:
            if (!expected.optional) refuse(expected, "nothing");
            return IValue();
        case TAPESTRY_TENSOR: return from_tensor(argument, expected);
        case TAPESTRY_INTEGER: return from_integer(argument, expected);
        case TAPESTRY_REAL: return from_real(argument, expected);
        case TAPESTRY_BOOLEAN: return from_boolean(argument, expected);
        case TAPESTRY_STRING: return from_string(argument, expected);
        case TAPESTRY_DATA_TYPE: {
            const auto type = scalar_type(static_cast<TapestryDataType>(argument.integer));
            return from_code(static_cast<int64_t>(type), expected, "an element type");
        }
        case TAPESTRY_MEMORY_FORMAT: {
            const auto format = memory_format(static_cast<TapestryMemoryFormat>(argument.integer));
            return from_code(static_cast<int64_t>(format), expected, "a memory format");
        }
        case TAPESTRY_INTEGERS: return from_integers(argument, expected);
        case TAPESTRY_REALS: return from_reals(argument, expected);
        case TAPESTRY_TENSORS: return from_tensors(argument, expected);
    }
    refuse(expected, "an argument of unknown kind");
}

}  // namespace tapestry

// From the arguments of the C face to the values an operator's schema asks for.
#pragma once

#include "support.h"

#include <optional>
#include <string>
#include <vector>

namespace tapestry {

/// One argument of an operator, as its schema has it. Libtorch's "fake" types: an element type, a layout and a SymInt
/// are all integers there, which is how the boxed calling convention passes them.
struct Expected {
    explicit Expected(const c10::Argument &argument);

    std::string name;
    std::string type;
    c10::TypeKind kind;
    /// Of a list: the kind of its elements, and whether each may be missing.
    c10::TypeKind element = c10::TypeKind::NoneType;
    bool element_optional = false;
    bool optional = false;
    std::optional<c10::IValue> otherwise;
};

/// The value of `argument` for `expected`. Throws, naming the argument and its type, when it is none.
c10::IValue converted(const TapestryArgument &argument, const Expected &expected);

/// The schema's default. Throws when there is none.
c10::IValue omitted(const Expected &expected);

}  // namespace tapestry

// What finding functions in a library takes that may not be there.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <string>

namespace tapestry_cuda {

/// Leaves `text` as one line.
inline void tell(char *message, size_t size, const std::string &text) {
    std::string line = text;
    for (char &c : line)
        if (c == '\n' || c == '\r') c = ' ';
    std::snprintf(message, size, "%s", line.c_str());
}

/// Finds functions by name and remembers the first that is missing.
struct Library {
    void *handle;
    std::string missing;

    template <class Function>
    void find(Function &function, const char *name) {
        function = reinterpret_cast<Function>(dlsym(handle, name));
        if (!function && missing.empty()) missing = name;
    }
};

}  // namespace tapestry_cuda

// NVRTC by declarations of our own: only what is called, so that none of its headers is needed to build.
#include "tcu_api.h"
#include "library.h"

#include <dirent.h>

#include <cstdlib>
#include <memory>

using tapestry_cuda::Library;
using tapestry_cuda::tell;

namespace {

using Result = int;
using Program = struct OpaqueProgram *;
constexpr Result success = 0;

/// Loads what the compiler itself looks for by its bare name, which some releases do without regard to their own folder.
void load_builtins_beside(const std::string &path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return;
    const std::string folder = path.substr(0, slash + 1), start = "libnvrtc-builtins.so";
    DIR *directory = opendir(folder.c_str());
    if (!directory) return;
    while (const dirent *entry = readdir(directory)) {
        const std::string name = entry->d_name;
        if (name.compare(0, start.size(), start) == 0) dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    closedir(directory);
}

}  // namespace

struct tcu_compiler {
    int major, minor;
    Result (*version)(int *, int *);
    Result (*create)(Program *, const char *, const char *, int, const char *const *, const char *const *);
    Result (*destroy)(Program *);
    Result (*compile)(Program, int, const char *const *);
    Result (*binary_size)(Program, size_t *);
    Result (*binary)(Program, char *);
    Result (*log_size)(Program, size_t *);
    Result (*log)(Program, char *);
    const char *(*error_string)(Result);
};

tcu_compiler *tcu_compiler_open(const char *path, char *message, size_t size) {
    Library library{dlopen(path, RTLD_NOW | RTLD_LOCAL), {}};
    if (!library.handle) {
        tell(message, size, dlerror());
        return nullptr;
    }
    load_builtins_beside(path);
    auto compiler = std::make_unique<tcu_compiler>();
    library.find(compiler->version, "nvrtcVersion");
    library.find(compiler->create, "nvrtcCreateProgram");
    library.find(compiler->destroy, "nvrtcDestroyProgram");
    library.find(compiler->compile, "nvrtcCompileProgram");
    library.find(compiler->binary_size, "nvrtcGetCUBINSize");
    library.find(compiler->binary, "nvrtcGetCUBIN");
    library.find(compiler->log_size, "nvrtcGetProgramLogSize");
    library.find(compiler->log, "nvrtcGetProgramLog");
    library.find(compiler->error_string, "nvrtcGetErrorString");
    if (!library.missing.empty() || compiler->version(&compiler->major, &compiler->minor) != success) {
        tell(message, size, std::string(path) + " is no compiler of CUDA 11.1 or later: no " + library.missing);
        return nullptr;
    }
    return compiler.release();
}

void tcu_compiler_version(const tcu_compiler *compiler, int *major, int *minor) {
    *major = compiler->major;
    *minor = compiler->minor;
}

bool tcu_compile(const tcu_compiler *compiler, const char *source, const char *const *options, int option_count,
                 tcu_binary *binary, char *message, size_t size) {
    *binary = {nullptr, 0, nullptr};
    Program program = nullptr;
    Result result = compiler->create(&program, source, "tapestry.cu", 0, nullptr, nullptr);
    if (result == success) result = compiler->compile(program, option_count, options);
    size_t length = 0;
    if (program && compiler->log_size(program, &length) == success) {
        binary->log = static_cast<char *>(std::calloc(length + 1, 1));
        if (binary->log) compiler->log(program, binary->log);
    }
    if (result == success) result = compiler->binary_size(program, &binary->count);
    if (result == success) {
        binary->bytes = static_cast<uint8_t *>(std::malloc(binary->count));
        result = binary->bytes ? compiler->binary(program, reinterpret_cast<char *>(binary->bytes)) : 1;
    }
    if (program) compiler->destroy(&program);
    if (result == success) return true;
    std::string why = compiler->error_string(result);
    if (binary->log && *binary->log) why += std::string(": ") + binary->log;
    tell(message, size, why);
    return false;
}

void tcu_binary_free(tcu_binary *binary) {
    std::free(binary->bytes);
    std::free(binary->log);
    *binary = {nullptr, 0, nullptr};
}

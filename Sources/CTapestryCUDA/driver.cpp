// The driver by declarations of our own: only what is called, so that none of its headers is needed to build.
#include "tcu_api.h"
#include "library.h"

#include <memory>

using tapestry_cuda::Library;
using tapestry_cuda::tell;

namespace {

using Result = int;
using Device = int;
using Context = struct OpaqueContext *;
using Module = struct OpaqueModule *;
using Function = struct OpaqueFunction *;
using Stream = struct OpaqueStream *;
constexpr Result success = 0;

// From the driver's interface: CUdevice_attribute and CUfunction_attribute.
constexpr int processor_count = 16, capability_major = 75, capability_minor = 76;
constexpr int most_dynamic_shared_bytes = 8;

}  // namespace

struct tcu_driver {
    int version, device_count;
    Result (*init)(unsigned);
    Result (*driver_version)(int *);
    Result (*count)(int *);
    Result (*device)(Device *, int);
    Result (*name)(char *, int, Device);
    Result (*memory)(size_t *, Device);
    Result (*attribute)(int *, int, Device);
    Result (*retain)(Context *, Device);
    Result (*set_current)(Context);
    Result (*load)(Module *, const void *);
    Result (*unload)(Module);
    Result (*function)(Function *, Module, const char *);
    Result (*set_attribute)(Function, int, int);
    Result (*launch)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void **,
                     void **);
    Result (*error_string)(Result, const char **);

    /// Whether `result` is success; if not, says what failed and why.
    bool check(Result result, const char *what, char *message, size_t size) const {
        if (result == success) return true;
        const char *reason = nullptr;
        if (error_string(result, &reason) != success || !reason) reason = "an error that the driver cannot name";
        tell(message, size, std::string(what) + ": " + reason + " (" + std::to_string(result) + ")");
        return false;
    }
};

struct tcu_module {
    const tcu_driver *driver;
    Context context;
    tcu_variant variant;
    Module module = nullptr;
    Function functions[TCU_KERNEL_COUNT] = {};
};

tcu_driver *tcu_driver_open(const char *path, char *message, size_t size) {
    Library library{dlopen(path, RTLD_NOW | RTLD_LOCAL), {}};
    if (!library.handle) {
        tell(message, size, dlerror());
        return nullptr;
    }
    auto driver = std::make_unique<tcu_driver>();
    library.find(driver->init, "cuInit");
    library.find(driver->driver_version, "cuDriverGetVersion");
    library.find(driver->count, "cuDeviceGetCount");
    library.find(driver->device, "cuDeviceGet");
    library.find(driver->name, "cuDeviceGetName");
    library.find(driver->memory, "cuDeviceTotalMem_v2");
    library.find(driver->attribute, "cuDeviceGetAttribute");
    library.find(driver->retain, "cuDevicePrimaryCtxRetain");
    library.find(driver->set_current, "cuCtxSetCurrent");
    library.find(driver->load, "cuModuleLoadData");
    library.find(driver->unload, "cuModuleUnload");
    library.find(driver->function, "cuModuleGetFunction");
    library.find(driver->set_attribute, "cuFuncSetAttribute");
    library.find(driver->launch, "cuLaunchKernel");
    library.find(driver->error_string, "cuGetErrorString");
    if (!library.missing.empty()) {
        tell(message, size, std::string(path) + " is no driver of CUDA 11 or later: no " + library.missing);
        return nullptr;
    }
    if (!driver->check(driver->init(0), "cuInit", message, size) ||
        !driver->check(driver->driver_version(&driver->version), "cuDriverGetVersion", message, size) ||
        !driver->check(driver->count(&driver->device_count), "cuDeviceGetCount", message, size))
        return nullptr;
    return driver.release();
}

int tcu_driver_version(const tcu_driver *driver) { return driver->version; }
int tcu_driver_device_count(const tcu_driver *driver) { return driver->device_count; }

bool tcu_driver_device(const tcu_driver *driver, int index, tcu_device *found, char *message, size_t size) {
    Device device = 0;
    *found = {};
    return driver->check(driver->device(&device, index), "cuDeviceGet", message, size) &&
           driver->check(driver->name(found->name, sizeof found->name - 1, device), "cuDeviceGetName", message, size) &&
           driver->check(driver->memory(&found->memory, device), "cuDeviceTotalMem", message, size) &&
           driver->check(driver->attribute(&found->major, capability_major, device), "its capability", message, size) &&
           driver->check(driver->attribute(&found->minor, capability_minor, device), "its capability", message, size) &&
           driver->check(driver->attribute(&found->processors, processor_count, device), "its processors", message, size);
}

tcu_module *tcu_module_load(const tcu_driver *driver, int index, const uint8_t *binary, tcu_variant variant,
                            char *message, size_t size) {
    Device device = 0;
    auto made = std::make_unique<tcu_module>(tcu_module{driver, nullptr, variant});
    // The primary context is libtorch's too; it is retained for as long as the process lives, as libtorch does.
    if (!driver->check(driver->device(&device, index), "cuDeviceGet", message, size) ||
        !driver->check(driver->retain(&made->context, device), "cuDevicePrimaryCtxRetain", message, size) ||
        !driver->check(driver->set_current(made->context), "cuCtxSetCurrent", message, size) ||
        !driver->check(driver->load(&made->module, binary), "cuModuleLoadData", message, size))
        return nullptr;
    for (int i = 0; i < TCU_KERNEL_COUNT; ++i) {
        const auto kernel = static_cast<tcu_kernel>(i);
        Function &function = made->functions[i];
        const auto shared = tcu_shared_bytes(variant, kernel);
        if (!driver->check(driver->function(&function, made->module, tcu_kernel_name(kernel)), tcu_kernel_name(kernel),
                           message, size) ||
            !driver->check(driver->set_attribute(function, most_dynamic_shared_bytes, static_cast<int>(shared)),
                           "its shared memory", message, size)) {
            driver->unload(made->module);
            return nullptr;
        }
    }
    return made.release();
}

void tcu_module_free(tcu_module *module) {
    if (module->driver->set_current(module->context) == success) module->driver->unload(module->module);
    delete module;
}

tcu_variant tcu_module_variant(const tcu_module *module) { return module->variant; }

bool tcu_launch(const tcu_module *module, tcu_kernel kernel, const void *problem, void *stream, char *message,
                size_t size) {
    const tcu_dimensions d = tcu_dimensions_of(module->variant, kernel, problem);
    // Nothing to compute; the driver refuses a grid of no blocks.
    if (d.grid_x == 0 || d.grid_y == 0) return true;
    void *arguments[] = {const_cast<void *>(problem)};
    const auto &driver = *module->driver;
    return driver.check(driver.set_current(module->context), "cuCtxSetCurrent", message, size) &&
           driver.check(driver.launch(module->functions[kernel], d.grid_x, d.grid_y, 1, d.threads, 1, 1, d.shared_bytes,
                                      static_cast<Stream>(stream), arguments, nullptr),
                        tcu_kernel_name(kernel), message, size);
}

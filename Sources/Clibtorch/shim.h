// libtorch has no C header: this module only carries its compiler and linker flags from pkg-config.

# shellcheck shell=bash
# Sourced by ./tapestry and ./dev: finds what the package is built from, installs what is missing, announces it.
#
#   TAPESTRY_HOME               where downloads live (default: ${XDG_CACHE_HOME:-~/.cache}/tapestry)
#   TAPESTRY_WITHOUT_LIBTORCH=1 build without libtorch: everything but training
#
# Sourcing only defines functions and variables, so that a launch that has nothing to build costs nothing.

root=$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd)
cache=${TAPESTRY_HOME:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set TAPESTRY_HOME}/.cache}/tapestry}
[[ $cache == /* ]] || cache=$PWD/$cache
venv=$cache/torch-2.13.0
peers=$cache/peers
build=$root/.build

say() { printf '%s\n' "tapestry: $*" >&2; }

# unavailable MESSAGE…: something needed is missing; 69 is what `tapestry` itself answers then.
unavailable() {
    say "$@"
    exit 69
}

# quietly STEP COMMAND…: one progress line; the command's output is kept in a log and shown only if it fails.
quietly() {
    local step=$1 log began=$SECONDS pid status=0
    shift
    mkdir -p "$build"
    log=$(mktemp "$build/log.XXXXXX")
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    # Ctrl-C reaches only this shell: a background command of a script ignores it, so it is passed on by hand.
    trap 'kill "$pid" 2>/dev/null; rm -f "$log"; exit 130' INT
    trap 'kill "$pid" 2>/dev/null; rm -f "$log"; exit 143' TERM
    if [[ -t 2 ]]; then
        while kill -0 "$pid" 2>/dev/null; do
            printf '\r%s… %d s ' "$step" $((SECONDS - began)) >&2
            sleep 0.2
        done
        printf '\r\e[K' >&2
    fi
    wait "$pid" || status=$?
    trap - INT TERM
    if ((status == 0)); then
        say "$step: done in $((SECONDS - began)) s"
    else
        cat "$log" >&2
        say "$step: failed"
    fi
    rm -f "$log"
    return "$status"
}

# --- The Swift toolchain ---

need_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -n 1) || true
    if [[ -z $version ]] || ! printf '6.3\n%s\n' "$version" | sort --check=quiet --version-sort; then
        unavailable "needs Swift 6.3 or newer, found ${version:-none}." \
            "Get it from swift.org (Install > Linux) and put its usr/bin on PATH."
    fi
}

# --- Debian packages ---

# What tells that a package is there: the thing needed itself, so that an installation of another kind counts too.
has_debian() {
    case $1 in
        libspng-dev) pkg-config --exists spng ;;
        libjpeg62-turbo-dev) pkg-config --exists libjpeg ;;
        zlib1g-dev) pkg-config --exists zlib ;;
        libgloo-dev) [[ -e /usr/include/gloo/config.h || -e /usr/local/include/gloo/config.h ]] ;;
        python3-venv) python3 -c 'import ensurepip, venv' ;;
        libc6-dev-arm64-cross) [[ -e /usr/aarch64-linux-gnu/lib/crt1.o ]] ;;
        qemu-user) command -v qemu-aarch64 ;;
        dataset-fashion-mnist) [[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ]] ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# need_debian PACKAGE…: installs those that are missing, or says the exact command and ends with 69.
need_debian() {
    local missing=() package sudo=()
    for package in "$@"; do
        has_debian "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || sudo=(sudo)
    if ! command -v apt-get >/dev/null; then
        unavailable "please install what Debian calls: ${missing[*]}"
    elif ((EUID != 0)) && ! sudo -n true 2>/dev/null; then
        unavailable "please run: sudo apt-get update && sudo apt-get install ${missing[*]}"
    fi
    quietly "updating Debian's package lists" "${sudo[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update ||
        say "going on with the lists that are here"
    for package in "${missing[@]}"; do
        quietly "installing $package" "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$package" ||
            unavailable "could not install $package (see above)"
    done
}

# --- Python, and libtorch within PyPI's torch ---

# complete_venv: whether an installation of exactly these requirements came to its end; sets `torch` to its place.
complete_venv() {
    torch=
    [[ -e $venv/complete ]] && read -r torch <"$venv/complete" &&
        [[ -d $torch && $(<"$venv/complete") == "$torch"$'\n'"$(<"$root/Scripts/requirements.txt")" ]]
}

# need_venv: 0 if it is there now. A failure is remembered for a day, lest every launch waits for the network again;
# `need_venv now` tries all the same.
need_venv() {
    complete_venv && return
    [[ ${1-} == now || -z $(find "$cache/torch-failed" -mmin -1440 2>/dev/null) ]] || return
    mkdir -p "$cache"
    local lock
    exec {lock}>"$cache/lock"
    # A second launch at the same time waits here, and then finds the work done.
    flock --nonblock "$lock" || { say "waiting for another set-up to finish"; flock "$lock"; }
    if ! complete_venv; then
        need_debian python3 python3-venv
        rm -f "$cache/torch-failed"
        quietly "installing PyTorch 2.13.0 into $cache" "$root/Scripts/install-torch" "$venv" ||
            touch "$cache/torch-failed"
    fi
    exec {lock}>&-
    complete_venv
}

# need_test_packages: adds what the tests compare with to the environment, also to one that is older than they are; 0 if
# it is there now.
need_test_packages() {
    local wanted=$root/Scripts/test-requirements.txt lock status=0
    complete_venv || return
    ! cmp --silent "$wanted" "$venv/complete-tests" || return 0
    exec {lock}>"$cache/lock"
    flock "$lock"
    # The constraints keep these packages from moving what the product is built against.
    quietly "installing what the tests compare with" "$venv/bin/python" -m pip install --no-input \
        --disable-pip-version-check --constraint "$root/Scripts/requirements.txt" --requirement "$wanted" &&
        cp "$wanted" "$venv/complete-tests" || status=1
    exec {lock}>&-
    return "$status"
}

# wanted_peers: what a complete environment of ./dev bench says of itself.
wanted_peers() { printf '%s\n' "${TAPESTRY_LIBTORCH-}" && cat "$root"/Benchmarks/peers/*requirements.txt; }

complete_peers() { wanted_peers | cmp --silent - "$peers/complete"; }

# need_peers: an environment of its own for the programs that ./dev bench compares with; it sees torch's, if that is
# announced. 0 if it is there now.
need_peers() {
    local lock
    ! complete_peers || return 0
    need_debian python3 python3-venv
    mkdir -p "$cache"
    exec {lock}>"$cache/lock"
    flock "$lock"
    if ! complete_peers; then
        quietly "installing the programs to compare with into $cache" \
            "$root/Scripts/install-peers" "$peers" "${TAPESTRY_LIBTORCH-}" && wanted_peers >"$peers/complete"
    fi
    exec {lock}>&-
    complete_peers
}

# --- All of it ---

# announce: exports what Package.swift and the programs look for, if it is there.
announce() {
    export TAPESTRY_HOME=$cache
    # libtorch's threads wait for one another in a loop. Beside other programs that loop eats the time in which the
    # others could work, and training is ten times slower; this ends it after some microseconds.
    [[ ${OMP_WAIT_POLICY-} ]] || export GOMP_SPINCOUNT=${GOMP_SPINCOUNT-1000}
    unset TAPESTRY_LIBTORCH
    torch=
    if [[ -z ${TAPESTRY_WITHOUT_LIBTORCH-} ]] && complete_venv; then
        export TAPESTRY_LIBTORCH=$torch
        export PKG_CONFIG_PATH=$venv${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    fi
    # For the tests that have a PyPI package read what Tapestry wrote.
    if [[ -z ${TAPESTRY_PYTHON-} && -e $venv/complete ]]; then
        export TAPESTRY_PYTHON=$venv/bin/python
    fi
    if [[ -z ${TAPESTRY_CIFAR-} && -d $cache/cifar/cifar-10-batches-bin ]]; then
        export TAPESTRY_CIFAR=$cache/cifar
    fi
}

# set_up [now]: everything that a build needs. Without libtorch it goes on, and `tapestry` says what training lacks.
set_up() {
    need_swift
    need_debian pkg-config libjpeg62-turbo-dev libspng-dev zlib1g-dev dataset-fashion-mnist
    if [[ -z ${TAPESTRY_WITHOUT_LIBTORCH-} ]] && ! need_venv "${1-}"; then
        say "no libtorch: building without training (to try again: ./dev setup)"
    fi
    announce
    if [[ ${TAPESTRY_LIBTORCH-} ]]; then
        # The headers of what connects processes, which PyPI's torch has and does not show.
        need_debian libgloo-dev
    else
        # That of an earlier build, which `tapestry` would take for its own.
        rm -f "$build/release/tapestry-libtorch"
    fi
}

# build_nccl: beside the program, what reaches NCCL, where libtorch has CUDA and its packages have their headers.
build_nccl() {
    local library=$build/release/libtapestry-nccl.so
    [[ -e ${TAPESTRY_LIBTORCH:-/none}/lib/libtorch_cuda.so ]] || return 0
    local sources=("$root/Sources/CTapestryTorch" "$root/Scripts/nccl-backend" "$TAPESTRY_LIBTORCH/include")
    [[ ! -e $library || $(find "${sources[@]}" -newer "$library" -print -quit) ]] || return 0
    quietly "building what reaches NCCL" "$root/Scripts/nccl-backend" "$TAPESTRY_LIBTORCH" "$library" ||
        say "so several processes cannot share a run on GPUs"
}

# build_flags: sets `flags` to what every `swift build` and `swift test` of this package is given, so that they share
# one build directory.
build_flags() {
    flags=(--package-path "$root" --scratch-path "$build" -c release --explicit-target-dependency-import-check error)
    # The program finds libtorch where it was built against, with no help from the environment.
    [[ -z ${TAPESTRY_LIBTORCH-} ]] || flags+=(-Xlinker -rpath -Xlinker "$TAPESTRY_LIBTORCH/lib")
}

# build_program: builds `tapestry`, and with libtorch the program that it becomes for what needs libtorch.
build_program() {
    build_flags
    quietly "building Tapestry" swift build "${flags[@]}" --product tapestry || return
    [[ -z ${TAPESTRY_LIBTORCH-} ]] ||
        quietly "building what needs libtorch" swift build "${flags[@]}" --product tapestry-libtorch
}

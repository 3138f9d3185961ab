import Glibc

/// The entries of a directory that are not hidden, in the order of their names' bytes.
///
/// The directory itself says what most entries are, so that a million files need not be looked at one by one.
struct DirectoryListing {
    /// How the directory was when it was opened.
    let stamp: DirectoryStamp
    /// The names, each with a zero byte after it.
    private(set) var names: [UInt8] = []
    /// Where each name begins in `names`.
    private(set) var starts: [Int] = []

    /// Lists the entries whose name and kind (`DT_REG`, `DT_LNK`, `DT_UNKNOWN` …) `isWanted` likes.
    ///
    /// Throws: `InputNotFound`.
    init(of path: String, isWanted: (_ name: UnsafeBufferPointer<UInt8>, _ kind: Int) -> Bool) throws {
        func failure() -> InputNotFound {
            InputNotFound(path: path, remedy: "cannot list the folder: \(String(cString: strerror(errno)))")
        }
        guard let directory = opendir(path) else { throw failure() }
        defer { closedir(directory) }
        guard let stamp = DirectoryStamp(descriptor: dirfd(directory)) else { throw failure() }
        self.stamp = stamp
        var found: [UInt8] = []
        var starts: [Int] = []
        while let entry = Self.next(in: directory) {
            let bytes = UnsafeRawPointer(entry) + MemoryLayout<dirent>.offset(of: \.d_name)!
            let name = UnsafeBufferPointer(
                start: bytes.assumingMemoryBound(to: UInt8.self),
                count: strlen(bytes.assumingMemoryBound(to: CChar.self)))
            guard name.first != UInt8(ascii: "."), isWanted(name, Int(entry.pointee.d_type)) else { continue }
            starts.append(found.count)
            found.append(contentsOf: name)
            found.append(0)
        }
        guard errno == 0 else { throw failure() }
        sort(found, starts)
    }

    /// The next entry; nil after the last one, and with `errno` where there is an error.
    private static func next(in directory: OpaquePointer) -> UnsafeMutablePointer<dirent>? {
        errno = 0
        return readdir(directory)
    }

    private mutating func sort(_ found: [UInt8], _ places: [Int]) {
        names.reserveCapacity(found.count)
        starts.reserveCapacity(places.count)
        found.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return }
            let base = UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)
            // Of unsigned bytes, as strcmp has it.
            for place in places.sorted(by: { strcmp(base + $0, base + $1) < 0 }) {
                starts.append(names.count)
                names.append(contentsOf: bytes[place...place + strlen(base + place)])
            }
        }
    }
}

/// What of a directory changes whenever an entry comes, goes or is renamed.
///
/// The time of the last change of status comes with it, which no program can set back.
struct DirectoryStamp: Equatable {
    let inode: UInt64
    /// Nanoseconds since 1970.
    let modified: Int64
    let changed: Int64

    init(inode: UInt64, modified: Int64, changed: Int64) {
        self.inode = inode
        self.modified = modified
        self.changed = changed
    }

    /// Nil where there is no such directory.
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        self.init(status)
    }

    init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec) }
        self.init(
            inode: UInt64(status.st_ino), modified: nanoseconds(status.st_mtim), changed: nanoseconds(status.st_ctim))
    }
}

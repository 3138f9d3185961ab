import Glibc
import Synchronization

/// Writing a file whole or not at all: its bytes go to a temporary beside it, which takes its name once they are on disk.
public struct AtomicFile: ~Copyable {
    private let path: String
    private let descriptor: Int32

    /// Appends `bytes`.
    ///
    /// Throws: `WriteError`.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(WriteError) {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw WriteError(path: path, code: count == 0 ? EIO : errno, operation: "write") }
            done += count
        }
    }

    /// Replaces the file at `path` by what `body` writes: at any moment, a crash included, the path holds the old file
    /// or the new one. A symbolic link is followed; a device or a pipe is written to in place. The old file stays at
    /// `older`, if that is given.
    ///
    /// Throws: `WriteError`, or what `body` throws; the temporary is then removed.
    public static func write(
        to path: String, keepingOldAt older: String? = nil, _ body: (borrowing AtomicFile) throws -> Void
    ) throws {
        var status = stat()
        if stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG {
            return try writeInPlace(to: path, body)
        }
        let target = resolvingLink(path)
        let temporary = temporary(for: target)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw WriteError(path: path, code: errno, operation: "create") }
        do {
            do {
                defer { close(descriptor) }
                try body(AtomicFile(path: path, descriptor: descriptor))
                guard fsync(descriptor) == 0 else {
                    throw WriteError(path: path, code: errno, operation: "synchronise")
                }
            }
            if let older { try keep(target, at: older) }
            guard rename(temporary, target) == 0 else {
                throw WriteError(path: path, code: errno, operation: "rename")
            }
        } catch {
            unlink(temporary)
            throw error
        }
        synchroniseDirectory(of: target)
    }

    /// Replaces the file at `path` by `bytes`.
    ///
    /// Throws: `WriteError`.
    public static func write(_ bytes: [UInt8], to path: String) throws {
        try write(to: path) { file in try bytes.withUnsafeBytes { try file.write($0) } }
    }

    /// Replaces the file at `path` by `text` in UTF-8.
    ///
    /// Throws: `WriteError`.
    public static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    private static let counter = Atomic<Int>(0)

    private static func temporary(for target: String) -> String {
        "\(target).\(getpid())-\(counter.add(1, ordering: .relaxed).newValue).tmp"
    }

    /// Gives the file a second name in the place of the one that has it. Where a file system knows no second names, it
    /// loses the first one, for the moment until the new file has that.
    private static func keep(_ target: String, at older: String) throws(WriteError) {
        let temporary = temporary(for: older)
        if link(target, temporary) == 0 {
            let status = rename(temporary, older)
            let code = errno
            // Two names of one file are not renamed into each other.
            unlink(temporary)
            guard status == 0 else { throw WriteError(path: older, code: code, operation: "rename") }
        } else if errno != ENOENT, rename(target, older) != 0 {
            throw WriteError(path: older, code: errno, operation: "rename")
        }
    }

    /// Renaming over a device would replace it for everyone, so its bytes go into it.
    private static func writeInPlace(to path: String, _ body: (borrowing AtomicFile) throws -> Void) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw WriteError(path: path, code: errno, operation: "open") }
        defer { close(descriptor) }
        try body(AtomicFile(path: path, descriptor: descriptor))
    }

    private static func resolvingLink(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Makes the new name itself survive a crash. Some file systems refuse this, and the file is complete all the same.
    private static func synchroniseDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}

import Glibc

/// A regular file opened for reading, whose size is known before anything is allocated for its bytes.
///
/// Devices, pipes and directories are refused, so that reading can neither block nor go on for ever.
package final class InputFile {
    package let path: String
    package let size: Int
    private let descriptor: Int32

    /// Throws: `InputNotFound` if the file cannot be opened, `FormatError` if it is not a regular file.
    package init(path: String) throws {
        self.path = path
        // Non-blocking, so that opening a pipe without a writer returns at once and is then refused.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw InputNotFound(path: path, remedy: String(cString: strerror(errno))) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw FormatError(file: path, reason: "expected a regular file, found a directory or a device")
        }
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// Throws: `FormatError` if the file ends before the buffer is full.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let found = count == 0 ? "the file's end" : String(cString: strerror(errno))
                throw FormatError(
                    file: path, offset: offset + done,
                    reason: "expected \(buffer.count - done) more bytes, found \(found)")
            }
            done += count
        }
    }

    /// The `count` bytes from `offset` on. Precondition: the caller has checked `count` against `size`.
    package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            initialized = count
        }
    }

    /// The whole file, refused if it is larger than `limit` bytes.
    package static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let file = try InputFile(path: path)
        guard file.size <= limit else {
            throw FormatError(file: path, reason: "expected at most \(limit) bytes, found \(file.size)")
        }
        return try file.bytes(at: 0, count: file.size)
    }
}

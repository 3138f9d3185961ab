import CFuzz
import Foundation
import TapestryFormats

/// What one execution reads: bytes, or a file of them. Readers of files get no copy in memory, which would be counted.
struct Input {
    let buffer: UnsafeBufferPointer<UInt8>

    var bytes: [UInt8] { Array(buffer) }

    private static let descriptor = fuzz_memory_file()

    /// What readers of bytes call the file in errors, and where `write` puts it.
    static let path = "/proc/self/fd/\(descriptor)"

    /// A second file, for what was read to be written and read again.
    static let copyPath = FileManager.default.temporaryDirectory.appending(component: "copy-\(getpid())").path()

    /// Makes the bytes a file, for a reader that takes a path, and gives that.
    func write() -> String {
        guard ftruncate(Self.descriptor, off_t(buffer.count)) == 0,
            buffer.isEmpty || pwrite(Self.descriptor, buffer.baseAddress, buffer.count, 0) == buffer.count
        else { fatalError("cannot write the input into a file in memory") }
        return Self.path
    }

    /// Ends the process unless `error` is one that readers declare, and names the input.
    func check(_ error: any Error) {
        switch error {
        case let error as FormatError where error.file == Self.path && error.offset ?? 0 >= 0: return
        case let error as ConfigurationError where error.file == Self.path: return
        default: fatalError("an undeclared error, or one of another file: \(type(of: error)) \(error)")
        }
    }
}

/// Ends the process: what was written and read again is not what it was.
func require(_ isEqual: Bool, _ reason: String) {
    if !isEqual { fatalError("after writing and reading again: \(reason)") }
}

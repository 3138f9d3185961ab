import Foundation
import TapestryFormats

/// Standard output for results, standard error for everything else.
package enum Console {
    /// The other end of standard output is closed: no mistake, but nothing more to do.
    package struct ReaderLeft: Error {}

    /// Gives /dev/null to those of the standard descriptors that are closed, lest a file that is opened later take such
    /// a number and receive what is meant for the terminal.
    package static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }

    /// Writes `text` and a newline, unless it ends with one, to standard output.
    ///
    /// Throws: `ReaderLeft`; `WriteError` where the output is a file that cannot take it.
    package static func print(_ text: String) throws {
        var bytes = Array(text.utf8)
        if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress! + done, $0.count - done) }
            if count > 0 {
                done += count
            } else if errno == EPIPE {
                throw ReaderLeft()
            } else if errno != EINTR {
                throw WriteError(path: "standard output", code: errno, operation: "write")
            }
        }
    }

    /// Prints `value` as the command's one JSON document, with keys in a stable order.
    package static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// A line of progress or explanation on standard error. Nothing depends on its arriving.
    package static func note(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        bytes.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress!, $0.count) }
    }

    package static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal on standard error, 80 where it does not say.
    package static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}

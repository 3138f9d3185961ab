import Foundation
import TapestryCommandLine
import TapestryFormats
import TapestryTraining

/// `tapestry train` in a process of its own, and what is seen of it from outside.
struct TrainingProcess {
    /// When to kill it.
    enum Moment {
        /// So long after it was started.
        case after(Duration)
        /// So long after it began its n-th file.
        case inFile(Int, delay: Duration)
    }

    enum End: Equatable {
        case killed
        /// By a signal that asks this program to end, too.
        case interrupted
        /// As a shell has it: the exit code, or 128 and the signal.
        case status(Int32)
    }

    struct Outcome {
        let end: End
        let duration: Duration
        /// Files that it began.
        let files: Int
    }

    /// Of the program, with the command.
    let arguments: [String]
    /// Where it writes its files, which need not be there yet.
    let folder: String
    /// Takes what it says.
    let log: String

    /// How long a killer sleeps: less than a small file takes.
    private static let patience: UInt32 = 50

    /// Starts it, and waits for its end or for the moment to kill it.
    ///
    /// Throws: `WriteError`.
    func run(killedAt moment: Moment? = nil) throws -> Outcome {
        let watch = try FolderWatch(folder)
        let start = ContinuousClock.now
        let process = try spawn()
        var (files, enough): (Int, ContinuousClock.Instant?) = (0, nil)
        if case .after(let delay) = moment { enough = start + delay }
        while true {
            if let status = Self.ended(process, waiting: false) {
                let end = Interruption.isRequested ? End.interrupted : .status(status)
                return Outcome(end: end, duration: ContinuousClock.now - start, files: files + watch.read())
            }
            files += watch.read()
            if enough == nil, case .inFile(let number, let delay) = moment, files >= number {
                enough = ContinuousClock.now + delay
            }
            let isUnwanted = Interruption.isRequested
            if isUnwanted || enough.map({ ContinuousClock.now >= $0 }) == true {
                kill(process, SIGKILL)
                let status = Self.ended(process, waiting: true)!
                // It may have come to its end meanwhile.
                let end = status == 128 + SIGKILL ? isUnwanted ? End.interrupted : .killed : .status(status)
                return Outcome(end: end, duration: ContinuousClock.now - start, files: files + watch.read())
            }
            usleep(Self.patience)
        }
    }

    private static func ended(_ process: pid_t, waiting: Bool) -> Int32? {
        var status: Int32 = 0
        var result: pid_t
        repeat { result = waitpid(process, &status, waiting ? 0 : WNOHANG) } while result < 0 && errno == EINTR
        guard result == process else { return nil }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }

    private func spawn() throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o666)
        let words = (["tapestry"] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var process = pid_t()
        let code = posix_spawn(&process, "/proc/self/exe", &actions, nil, words + [nil], environ)
        guard code == 0 else {
            throw WriteError(path: log, code: code, operation: "start a training that writes to it")
        }
        return process
    }
}

/// Counts the files that are begun in a folder.
private final class FolderWatch {
    private let descriptor: Int32

    /// Makes the folder if it is not there yet.
    init(_ folder: String) throws {
        guard mkdir(folder, 0o777) == 0 || errno == EEXIST else {
            throw WriteError(path: folder, code: errno, operation: "create the folder")
        }
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard inotify_add_watch(descriptor, folder, UInt32(IN_CREATE)) >= 0 else {
            let code = errno
            close(descriptor)
            throw WriteError(path: folder, code: code, operation: "watch the folder")
        }
    }

    deinit { close(descriptor) }

    /// How many were begun since the last call.
    func read() -> Int {
        withUnsafeTemporaryAllocation(byteCount: 1 << 14, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
            var (events, place) = (0, 0)
            let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
            while place < count {
                let event = buffer.load(fromByteOffset: place, as: inotify_event.self)
                place += MemoryLayout<inotify_event>.size + Int(event.len)
                events += 1
            }
            return events
        }
    }
}

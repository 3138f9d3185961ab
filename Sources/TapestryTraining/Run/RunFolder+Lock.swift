import Foundation
import TapestryFormats

extension RunFolder {
    /// Makes the folder for a new run, and locks it. Throws `RunError` where it holds a run already, `WriteError` where
    /// it cannot be made.
    func create() throws -> Lock {
        guard mkdirs(path) else { throw WriteError(path: path, code: errno, operation: "create the folder") }
        let lock = try lock()
        guard !hasRun else { throw RunError.alreadyExists(path) }
        return lock
    }

    /// Claims the folder for this process until the lock is dropped, and removes what a killed one had begun to write.
    /// Throws `RunError.inUse` where another process has it.
    func lock() throws -> Lock {
        let lock = try Lock(path)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            let file = "\(path)/\(name)"
            let isOurs = [configuration, metrics, last, best, state, olderState].contains { file.hasPrefix("\($0).") }
            if isOurs, name.hasSuffix(".tmp") { unlink(file) }
        }
        return lock
    }

    /// A claim on a folder, which ends with the process at the latest.
    final class Lock {
        private let descriptor: Int32

        fileprivate init(_ path: String) throws {
            descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw WriteError(path: path, code: errno, operation: "open the folder") }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(descriptor)
                if code == EWOULDBLOCK { throw RunError.inUse(path) }
                throw WriteError(path: path, code: code, operation: "lock the folder")
            }
        }

        deinit { close(descriptor) }
    }

    private func mkdirs(_ path: String) -> Bool {
        if mkdir(path, 0o777) == 0 { return true }
        var status = stat()
        if errno == EEXIST { return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
        return mkdirs(String(path[..<slash])) && mkdir(path, 0o777) == 0
    }
}

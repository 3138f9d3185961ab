import Foundation
import TapestryFormats

/// Finds the runs that the arguments of `tapestry report` name: folders of runs, or folders that hold such.
package enum RunFinder {
    /// How far below an argument runs are looked for.
    private static let deepest = 6

    /// Every run once: the arguments in their order, those within one by path, their numbers by value.
    ///
    /// Throws: `InputNotFound` for an argument without a run.
    package static func folders(in paths: [String]) throws -> [RunFolder] {
        var seen: Set<String> = []
        var folders: [RunFolder] = []
        for path in paths {
            let found = runs(in: RunFolder(path: path), depth: 0)
            guard !found.isEmpty else {
                let isFolder = (try? FileManager.default.contentsOfDirectory(atPath: path)) != nil
                throw InputNotFound(
                    path: path,
                    remedy: isFolder
                        ? "no run here: expected the folder of one, with its config.yaml, or folders that hold some"
                        : "no such folder; name the folder of a run, as `tapestry train --out` made it")
            }
            folders += found.filter {
                seen.insert(URL(filePath: $0.path).resolvingSymlinksInPath().path()).inserted
            }
        }
        return folders
    }

    private static func runs(in folder: RunFolder, depth: Int) -> [RunFolder] {
        if folder.hasRun { return [folder] }
        guard depth < deepest else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted(by: isBefore).flatMap { name -> [RunFolder] in
            let inner = RunFolder(path: folder.path == "/" ? "/\(name)" : "\(folder.path)/\(name)")
            // A link may lead out of the folder or back to it.
            return isFolder(inner.path) ? runs(in: inner, depth: depth + 1) : []
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// "run9" before "run10".
    private static func isBefore(_ left: String, _ right: String) -> Bool {
        switch left.compare(right, options: .numeric) {
        case .orderedAscending: true
        case .orderedDescending: false
        case .orderedSame: left < right
        }
    }

    /// A short name for each of some distinct paths: what is left without the folders that they are all in.
    package static func names(of paths: [String]) -> [String] {
        let parts = paths.map { $0.split(separator: "/", omittingEmptySubsequences: false).map(String.init) }
        var shared = 0
        while let first = parts.first, parts.allSatisfy({ shared < $0.count - 1 && $0[shared] == first[shared] }) {
            shared += 1
        }
        return parts.map { $0.dropFirst(shared).joined(separator: "/") }
    }
}

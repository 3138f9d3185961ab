import Foundation

/// The limits of the control groups that this process is in, version 2 and 1.
///
/// A limit anywhere on the way from the process's own group to the root counts. In a container the named group is often
/// not visible, and the mount itself is the container's group; so groups that do not exist are passed over.
package struct ControlGroup {
    private let mount: String
    private let memberships: [(controllers: [String], path: String)]

    /// The groups listed in the text of `/proc/self/cgroup`, whose file systems are below `mount`.
    package init(membershipText: String, mount: String = "/sys/fs/cgroup") {
        self.mount = mount
        memberships = membershipText.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            return (fields[1].split(separator: ",").map(String.init), String(fields[2]))
        }
    }

    package static var current: ControlGroup {
        ControlGroup(membershipText: (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "")
    }

    /// How many processors' time the process may use; nil where nothing limits it.
    package var processorLimit: Double? {
        let second = values(of: "cpu.max", controller: nil).compactMap { text -> Double? in
            let fields = text.split(separator: " ").compactMap { Double($0) }
            return fields.count == 2 && fields[1] > 0 ? fields[0] / fields[1] : nil
        }
        let quotas = values(of: "cpu.cfs_quota_us", controller: "cpu").map { Double($0) }
        let periods = values(of: "cpu.cfs_period_us", controller: "cpu").map { Double($0) }
        let first = zip(quotas, periods).compactMap { quota, period -> Double? in
            guard let quota, let period, quota > 0, period > 0 else { return nil }
            return quota / period
        }
        return (first + second).min()
    }

    /// Bytes of memory that the process may use; nil where nothing limits it.
    package var memoryLimit: Int? {
        let limits =
            values(of: "memory.max", controller: nil) + values(of: "memory.limit_in_bytes", controller: "memory")
        // Version 1 writes "no limit" as the largest multiple of a page below 2^63.
        return limits.compactMap { Int($0) }.filter { $0 < 1 << 62 }.min()
    }

    /// The texts of a limit's file in the process's group and all above it; version 2 for a nil controller.
    private func values(of file: String, controller: String?) -> [String] {
        memberships.flatMap { membership -> [String] in
            let folders: [String]
            if let controller {
                guard membership.controllers.contains(controller) else { return [] }
                folders = [controller, membership.controllers.joined(separator: ",")]
            } else {
                guard membership.controllers.isEmpty else { return [] }
                folders = ["", "unified"]
            }
            return folders.flatMap { values(of: file, root: "\(mount)/\($0)", path: membership.path) }
        }
    }

    private func values(of file: String, root: String, path: String) -> [String] {
        var components = path.split(separator: "/")
        var values: [String] = []
        while true {
            let name = ([root] + components.map(String.init) + [file]).joined(separator: "/")
            if let text = try? String(contentsOfFile: name, encoding: .utf8) {
                values.append(text.trimmingCharacters(in: .whitespacesAndNewlines))
            }
            if components.popLast() == nil { return values }
        }
    }
}

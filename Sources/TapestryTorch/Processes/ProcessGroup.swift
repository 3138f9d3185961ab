import CTapestryTorch
import TapestryCore

/// Processes that compute together, each with its share of the images: c10d's process group.
///
/// All make the same calls in the same order, and each call waits for the others, no longer than the group's timeout.
/// What fails because another process has ended, hangs or cannot be reached throws a `TorchError` that `isPeerLost`, and
/// the group is then of no more use.
public final class ProcessGroup {
    /// Where processes find one another, and which of them this is.
    public struct Meeting: Equatable, Sendable {
        /// From 0.
        public var rank: Int
        public var size: Int
        /// A name or an address of the machine that has the store by which addresses are exchanged.
        public var host: String
        public var port: UInt16
        /// Whether this process keeps that store; otherwise it is there already, or another one's.
        public var keepsStore: Bool
        /// Tells this meeting from others by the same store.
        public var name: String

        /// Precondition: 0 <= rank < size.
        public init(rank: Int, size: Int, host: String, port: UInt16, keepsStore: Bool, name: String = "tapestry") {
            precondition(0 <= rank && rank < size, "rank \(rank) of \(size)")
            (self.rank, self.size, self.host, self.port) = (rank, size, host, port)
            (self.keepsStore, self.name) = (keepsStore, name)
        }
    }

    public let rank: Int
    public let size: Int
    /// Where this process computes.
    public let device: Device
    let handle: OpaquePointer

    /// Waits until all have come, no longer than `timeout`.
    ///
    /// Gloo sends what is on CPUs, by the interface that `GLOO_SOCKET_IFNAME` names or the one by which `host` is reached.
    /// Processes of one machine add up in memory that they share, unless told not to. On a CUDA device, which is no other
    /// process's, NCCL sends what is there. Throws `TorchError` where the others do not come; its operation is "nccl" where
    /// NCCL cannot be used.
    public init(
        _ meeting: Meeting, timeout: Duration, on device: Device = .cpu, sharingMemory: Bool = true
    ) throws(TorchError) {
        (rank, size, self.device) = (meeting.rank, meeting.size, device)
        if device != .cpu { try check(tapestry_nccl_load(), "nccl") }
        var joined: OpaquePointer?
        let (seconds, fraction) = timeout.components
        let milliseconds = max(1, seconds * 1000 + fraction / 1_000_000_000_000_000)
        let status = meeting.host.withCString { host in
            meeting.name.withCString { name in
                var place = TapestryMeeting(
                    host: host, port: meeting.port, serves: meeting.keepsStore, prefix: name,
                    rank: Int32(meeting.rank), size: Int32(meeting.size), timeout_milliseconds: milliseconds,
                    shares_memory: sharingMemory, device: device.handle)
                return tapestry_process_group_join(&place, &joined)
            }
        }
        try check(status, "joining \(meeting.host):\(meeting.port)")
        guard let joined else { throw TorchError(operation: "joining", message: "no group was made") }
        handle = joined
    }

    deinit { tapestry_process_group_release(handle) }

    /// By what processes add up.
    public enum Connection: Equatable, Sendable {
        case nccl, sharedMemory
        /// By the network, and why.
        case gloo(String)
    }

    /// By what the sums of tensors on the group's device are made.
    public var connection: Connection {
        guard device == .cpu else { return .nccl }
        let reason = String(cString: tapestry_process_group_why_by_network(handle))
        return reason.isEmpty ? .sharedMemory : .gloo(reason)
    }

    /// The library by which groups on CUDA devices reach NCCL, where it is looked for.
    public static var ncclLibrary: String { String(cString: tapestry_nccl_library_path()) }

    /// What becomes of the processes' tensors.
    public enum Reduction {
        case sum, minimum

        fileprivate var code: TapestryReduction {
            switch self {
            case .sum: TAPESTRY_SUM
            case .minimum: TAPESTRY_MINIMUM
            }
        }
    }

    /// Writes the sum or the minimum of all processes' tensors into each of them, the same bits everywhere.
    public func reduce(_ tensor: TorchTensor, by reduction: Reduction = .sum) throws(TorchError) {
        try check(tapestry_process_group_all_reduce(handle, tensor.handle, reduction.code), "all-reduce")
    }

    /// The sums, or the minima, of all processes' numbers, element by element.
    public func reduced(_ values: [Double], by reduction: Reduction = .sum) throws(TorchError) -> [Double] {
        let tensor = try TorchTensor(Tensor(shape: [values.count], elements: values))
        try reduce(tensor, by: reduction)
        return try tensor.host(Double.self).elements
    }

    /// Gives the tensors of rank 0, or of another one, to all others, in place of theirs.
    public func broadcast(_ tensors: [TorchTensor], from root: Int = 0) throws(TorchError) {
        for tensor in tensors {
            try check(tapestry_process_group_broadcast(handle, tensor.handle, Int32(root)), "broadcast")
        }
    }

    /// The bytes that rank 0 has, in all processes.
    public func broadcast(_ bytes: [UInt8]) throws(TorchError) -> [UInt8] {
        try gathered(rank == 0 ? bytes : [])[0]
    }

    /// The bytes of each process, by rank, in all processes.
    public func gathered(_ bytes: [UInt8]) throws(TorchError) -> [[UInt8]] {
        let counts = try gathered(Double(bytes.count)).map { Int($0) }
        var all = counts.map { _ in [UInt8]() }
        for (root, count) in counts.enumerated() where count > 0 {
            let own = root == rank ? bytes : Array(repeating: 0, count: count)
            let tensor = try TorchTensor(Tensor(shape: [count], elements: own))
            try broadcast([tensor], from: root)
            all[root] = try tensor.host(UInt8.self).elements
        }
        return all
    }

    /// One number of each process, by rank, in all processes.
    public func gathered(_ value: Double) throws(TorchError) -> [Double] {
        try reduced((0..<size).map { $0 == rank ? value : 0 })
    }

    /// Waits until all have come here.
    public func barrier() throws(TorchError) { _ = try reduced([0]) }
}

extension TorchError {
    /// Whether another process of a group has ended, hangs or cannot be reached.
    public var isPeerLost: Bool { reason == .peerLost }
}

import CTapestryTorch

extension TorchRuntime {
    /// How long a CUDA device takes for the work that `body` gives it, by its own clock. Waits until it is done.
    public static func milliseconds(
        on device: Int, _ body: () throws(TorchError) -> Void
    ) throws(TorchError) -> Double {
        var milliseconds = 0.0
        try withWork(body) { work, context in
            tapestry_cuda_time(Int32(device), work, context, &milliseconds)
        }
        return milliseconds
    }

    /// Calls the shim with work that it calls back; what the work throws goes before what the shim says.
    fileprivate static func withWork(
        _ body: () throws(TorchError) -> Void,
        _ call: (TapestryWork, UnsafeMutableRawPointer) -> TapestryStatus
    ) throws(TorchError) {
        try withoutActuallyEscaping(body) { body throws(TorchError) in
            let work = Work(body)
            let status = call(
                { context in
                    guard let context else { return false }
                    return Unmanaged<Work>.fromOpaque(context).takeUnretainedValue().run()
                }, Unmanaged.passUnretained(work).toOpaque())
            if let failure = work.failure { throw failure }
            try check(status, "cuda events")
        }
    }

    private final class Work {
        private let body: () throws(TorchError) -> Void
        private(set) var failure: TorchError?

        init(_ body: @escaping () throws(TorchError) -> Void) { self.body = body }

        func run() -> Bool {
            do throws(TorchError) { try body() } catch { failure = error }
            return failure == nil
        }
    }
}

/// Work of a CUDA device recorded once, and repeated whole at the cost of one launch.
public final class RecordedWork {
    private let handle: OpaquePointer

    /// Records what `body` gives the device. Nothing in it may wait for the device. Throws what `body` throws.
    public init(on device: Int, _ body: () throws(TorchError) -> Void) throws(TorchError) {
        var recorded: OpaquePointer?
        try TorchRuntime.withWork(body) { tapestry_graph_record(Int32(device), $0, $1, &recorded) }
        guard let recorded else { throw TorchError(operation: "cuda graph", message: "nothing was recorded") }
        handle = recorded
    }

    deinit { tapestry_graph_release(handle) }

    public func replay() throws(TorchError) { try check(tapestry_graph_replay(handle), "cuda graph") }
}

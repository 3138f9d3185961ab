import CTapestryKernels
import Glibc
import Synchronization

/// The memory in which a plan runs, for one caller at a time.
final class Context: SharedWork, @unchecked Sendable {
    let plan: Plan
    /// One for all threads, or one each where they take images of their own.
    let arenas: [AlignedFloats]
    /// For each thread, what its kernels work with.
    private let room: AlignedFloats
    private let barrier = Barrier()
    private let nextChunk = Atomic<Int>(0)
    private var call: Call?
    private var team = 1

    init(_ plan: Plan) {
        self.plan = plan
        arenas = (0..<(plan.runsChunks ? plan.threads : 1)).map { _ in
            AlignedFloats(count: plan.arenaSize / MemoryLayout<Float>.size)
        }
        room = AlignedFloats(count: plan.threads * plan.room / MemoryLayout<Float>.size)
    }

    /// Images and where their results go.
    struct Call {
        let images: UnsafePointer<Float>
        let count: Int
        let areChannelsLast: Bool
        let results: UnsafeMutablePointer<Float>
    }

    /// Runs the plan.
    func run(_ call: Call) {
        guard call.count > 0 else { return }
        self.call = call
        nextChunk.store(0, ordering: .relaxed)
        team = plan.threads
        if team == 1 || !WorkerPool.shared.run(self, on: team) {
            team = 1
            run(worker: 0)
        }
        self.call = nil
    }

    func run(worker: Int) {
        guard let call else { return }
        if plan.runsChunks { runChunks(of: call, worker: worker) } else { runTogether(call, worker: worker) }
    }

    /// Takes pieces of the batch until none is left.
    private func runChunks(of call: Call, worker: Int) {
        let rounds = (call.count + plan.capacity * team - 1) / (plan.capacity * team)
        let size = (call.count + rounds * team - 1) / (rounds * team)
        while true {
            let first = nextChunk.add(1, ordering: .relaxed).oldValue * size
            guard first < call.count else { return }
            let count = min(size, call.count - first)
            let share = tk_share(images: Int32(count), part: 0, parts: 1)
            take(call, from: first, share: share, arena: arenas[worker])
            for step in plan.steps { run(step, share: share, arena: arenas[worker], worker: worker) }
            give(call, from: first, share: share, arena: arenas[worker])
        }
    }

    /// Does this thread's part of every step, waiting for the others between steps where more than one has a part.
    private func runTogether(_ call: Call, worker: Int) {
        let arena = arenas[0]
        var first = 0
        while first < call.count {
            let count = Int32(min(plan.capacity, call.count - first))
            let alone = tk_share(images: count, part: 0, parts: 1)
            let part = tk_share(images: count, part: Int32(worker), parts: Int32(team))
            if worker == 0 { take(call, from: first, share: alone, arena: arena) }
            var wasShared = false
            for step in plan.steps {
                if step.isShared || wasShared { barrier.wait(for: team) }
                wasShared = step.isShared
                if step.isShared {
                    run(step, share: part, arena: arena, worker: worker)
                } else if worker == 0 {
                    run(step, share: alone, arena: arena, worker: worker)
                }
            }
            if wasShared { barrier.wait(for: team) }
            if worker == 0 { give(call, from: first, share: alone, arena: arena) }
            first += Int(count)
        }
    }

    private var kernels: tk_kernels { plan.instructionSet.kernels.pointee }

    func take(_ call: Call, from first: Int, share: tk_share, arena: AlignedFloats) {
        var image = plan.input.layout.image
        let size = Int(image.channels) * Int(image.height) * Int(image.width)
        let pixels = arena.bytes + plan.input.place
        if plan.input.layout.hasPads { kernels.clear_pads(&image, Int64(plan.input.layout.lead), pixels, share) }
        kernels.import_images(&image, call.images + first * size, call.areChannelsLast, pixels, share)
    }

    private func give(_ call: Call, from first: Int, share: tk_share, arena: AlignedFloats) {
        var image = plan.output.layout.image
        kernels.export_vectors(
            &image, plan.output.layout.holdsFloats, arena.bytes + plan.output.place,
            call.results + first * Int(image.channels), share)
    }

    func run(_ step: PlannedStep, share: tk_share, arena: AlignedFloats, worker: Int) {
        let memory = arena.bytes
        let y = memory + step.output.place
        var output = step.output.layout.image
        clearPads(of: step, &output, y, share)
        let kernels = kernels
        let room = self.room.bytes + worker * plan.room
        let entries = room.assumingMemoryBound(to: tk_entry.self)
        func pointer(_ place: Int?) -> UnsafeRawPointer? { place.map { UnsafeRawPointer(memory + $0) } }
        switch step.kernel {
        case .convolve(var convolution, let x, let residual):
            kernels.convolve(&convolution, memory + x, pointer(residual), y, entries, share)
        case .convolveSplit(var convolution, let x, let residual, let parts):
            kernels.convolve_split(&convolution, memory + x, pointer(residual), y, entries, room + parts, share)
        case .convolvePlanes(var convolution, let x, let residual):
            kernels.convolve_planes(&convolution, memory + x, pointer(residual), y, entries, share)
        case .convolveSparse(var convolution, let x, let residual):
            kernels.convolve_sparse(
                &convolution, memory + x, pointer(residual), y, room.assumingMemoryBound(to: Float.self), share)
        case .convolveDepthwise(var convolution, let x): kernels.convolve_depthwise(&convolution, memory + x, y, share)
        case .pool(var pooling, let x): kernels.pool(&pooling, memory + x, y, share)
        case .poolGlobally(var input, let x): kernels.pool_globally(&input, &output, memory + x, y, share)
        case .add(let activation, let a, let b): kernels.add(&output, activation, memory + a, pointer(b), y, share)
        case .scale(let activation, let x, let factors, let offsets):
            kernels.scale(&output, activation, memory + x, factors, offsets, y, share)
        case .scaleChannels(let activation, let x, let factors, let factorsPerImage):
            kernels.scale_channels(&output, activation, memory + x, memory + factors, factorsPerImage, y, share)
        case .move(var input, let sources, let x): kernels.move(&input, &output, sources, memory + x, y, share)
        case .flatten(var input, let x): kernels.flatten(&input, &output, memory + x, y, share)
        case .rearrange(var input, let x): kernels.rearrange(&input, &output, memory + x, y, share)
        }
    }

    /// The memory may have been another value's before.
    private func clearPads(
        of step: PlannedStep, _ output: inout tk_image, _ y: UnsafeMutableRawPointer, _ share: tk_share
    ) {
        let lead = step.output.layout.lead
        guard lead > 0 else { return }
        switch step.kernel {
        case .convolvePlanes, .convolveSparse:
            // Their kernels do the rest, after storing sums on pads.
            let bytes = lead * MemoryLayout<Float>.size
            if share.part == 0 { memset(y - bytes, 0, bytes) }
        default: kernels.clear_pads(&output, Int64(lead), y, share)
        }
    }
}

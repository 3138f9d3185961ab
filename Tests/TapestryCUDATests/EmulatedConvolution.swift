import CTapestryCUDA
import TapestryCUDA
import TapestryCore
import Testing

/// Elements of an arithmetic at 16 bytes, with a margin behind them that nobody may touch.
final class Elements {
    let count: Int
    let arithmetic: KernelArithmetic
    private let memory: UnsafeMutableRawPointer
    private static let margin = 64
    private static let untouched: UInt8 = 0xa5

    private var elementBytes: Int { 16 / arithmetic.vector }
    var address: UnsafeMutableRawPointer { memory }

    init(count: Int, of arithmetic: KernelArithmetic) {
        (self.count, self.arithmetic) = (count, arithmetic)
        let bytes = count * (16 / arithmetic.vector) + Self.margin
        memory = .allocate(byteCount: bytes, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: Self.untouched, count: bytes)
    }

    convenience init(_ values: [Double], of arithmetic: KernelArithmetic) {
        self.init(count: values.count, of: arithmetic)
        for (index, value) in values.enumerated() { self[index] = Float(value) }
    }

    deinit { memory.deallocate() }

    subscript(index: Int) -> Float {
        get {
            guard arithmetic == .bf16 else { return memory.load(fromByteOffset: 4 * index, as: Float.self) }
            return Float(bitPattern: UInt32(memory.load(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        }
        set {
            guard arithmetic == .bf16 else {
                return memory.storeBytes(of: newValue, toByteOffset: 4 * index, as: Float.self)
            }
            memory.storeBytes(of: UInt16(newValue.bitPattern >> 16), toByteOffset: 2 * index, as: UInt16.self)
        }
    }

    var values: [Double] { (0..<count).map { Double(self[$0]) } }

    var isMarginUntouched: Bool {
        (0..<Self.margin).allSatisfy {
            memory.load(fromByteOffset: count * elementBytes + $0, as: UInt8.self) == Self.untouched
        }
    }
}

/// A plan's kernels, run by the emulation.
struct EmulatedConvolution {
    let plan: ConvolutionPlan
    let schedule: tcu_schedule

    private var arithmetic: KernelArithmetic { plan.variant.arithmetic }

    /// What comes after the sums.
    struct Ending {
        var scale: [Float]?
        var bias: [Float]?
        var residual: [Double]?
        var activation = TCU_IDENTITY
    }

    /// From x, images x height x width x channels, and rows of weights.
    func forward(_ x: [Double], _ weights: [Double], _ ending: Ending = Ending()) -> [Double] {
        convolve(
            plan.forwardProblem, plan.forwardTables, x, weights, ending, moves: plan.moves,
            plan.movesChannels ? TCU_CONVOLVE_MOVED : TCU_CONVOLVE)
    }

    /// From the gradient of the outputs, and weights with inputs and outputs exchanged.
    func inputGradient(_ upstream: [Double], _ exchanged: [Double]) -> [Double] {
        let gradient = convolve(
            plan.inputGradientProblem, plan.inputGradientTables, upstream, exchanged, Ending(), moves: [], TCU_CONVOLVE)
        guard plan.movesChannels else { return gradient }
        var p = plan.returnShift
        let x = Elements(gradient, of: arithmetic)
        let y = Elements(
            count: plan.images * plan.inputSize.area * plan.convolution.inputChannels, of: arithmetic)
        plan.returnMoves.withUnsafeBufferPointer { moves in
            (p.x, p.y, p.moves) = (UnsafeRawPointer(x.address), y.address, moves.baseAddress)
            run(TCU_MOVE_CHANNELS, &p)
        }
        #expect(y.isMarginUntouched)
        return y.values
    }

    /// From x and the gradient of the outputs; zero where no kernel writes.
    func weightGradient(_ x: [Double], _ upstream: [Double]) -> [Double] {
        var p = plan.weightGradientProblem
        let (x, w) = (Elements(x, of: arithmetic), Elements(upstream, of: arithmetic))
        let y = Elements(
            [Double](repeating: 0, count: Int(p.outputs) * Int(p.weight_row)), of: arithmetic)
        let workspace = Elements(count: p.splits > 1 ? y.count * Int(p.splits) : 0, of: .fp32)
        (p.x, p.w, p.y) = (UnsafeRawPointer(x.address), UnsafeRawPointer(w.address), y.address)
        p.workspace = workspace.address.assumingMemoryBound(to: Float.self)
        withTables(&p, plan.forwardTables, moves: plan.moves) { p in
            run(plan.movesChannels ? TCU_WEIGH_MOVED : TCU_WEIGH, &p)
            if p.splits > 1 { run(TCU_REDUCE_WEIGHTS, &p) }
        }
        #expect(y.isMarginUntouched && workspace.isMarginUntouched)
        return y.values
    }

    private func convolve(
        _ problem: tcu_problem, _ tables: StepTables, _ x: [Double], _ w: [Double], _ ending: Ending, moves: [Int32],
        _ kernel: tcu_kernel
    ) -> [Double] {
        var p = problem
        let (x, w) = (Elements(x, of: arithmetic), Elements(w, of: arithmetic))
        let y = Elements(count: Int(p.images * p.out_height * p.out_width * p.outputs), of: arithmetic)
        let workspace = Elements(count: p.splits > 1 ? y.count * Int(p.splits) : 0, of: .fp32)
        let residual = ending.residual.map { Elements($0, of: arithmetic) }
        (p.x, p.w, p.y) = (UnsafeRawPointer(x.address), UnsafeRawPointer(w.address), y.address)
        p.workspace = workspace.address.assumingMemoryBound(to: Float.self)
        p.residual = residual.map { UnsafeRawPointer($0.address) }
        p.activation = Int32(ending.activation.rawValue)
        withTables(&p, tables, moves: moves) { p in
            (ending.scale ?? []).withUnsafeBufferPointer { scale in
                (ending.bias ?? []).withUnsafeBufferPointer { bias in
                    if ending.scale != nil { p.scale = scale.baseAddress }
                    if ending.bias != nil { p.bias = bias.baseAddress }
                    run(kernel, &p)
                    if p.splits > 1 { run(TCU_REDUCE, &p) }
                }
            }
        }
        #expect(y.isMarginUntouched && workspace.isMarginUntouched)
        return y.values
    }

    private func withTables(
        _ p: inout tcu_problem, _ tables: StepTables, moves: [Int32], _ body: (inout tcu_problem) -> Void
    ) {
        tables.steps.withUnsafeBufferPointer { steps in
            tables.tiles.withUnsafeBufferPointer { tiles in
                plan.patches.withUnsafeBufferPointer { patches in
                    moves.withUnsafeBufferPointer { moves in
                        p.steps = steps.baseAddress
                        p.tiles = tiles.baseAddress
                        p.patches = patches.baseAddress
                        p.moves = moves.baseAddress
                        body(&p)
                    }
                }
            }
        }
    }

    private func run<Problem: BitwiseCopyable>(_ kernel: tcu_kernel, _ problem: inout Problem) {
        var message = [CChar](repeating: 0, count: 200)
        let isDone = tcu_emulate(plan.variant.code, kernel, &problem, schedule, &message, message.count)
        #expect(
            isDone, "\(kernelName(kernel)): \(String(decoding: message.map { UInt8(bitPattern: $0) }, as: UTF8.self))")
    }
}

func kernelName(_ kernel: tcu_kernel) -> String { String(cString: tcu_kernel_name(kernel)) }

import Dispatch
import Synchronization
import TapestryCore
import TapestryData
import TapestryRewrites
import TapestryRuntime

/// A network that an engine is ready to run: all that testing, comparing and predicting know of engines.
package protocol PreparedNetwork {
    /// The class scores of a batch's images, one image after the other.
    func logits(of batch: Batch) throws -> [Double]
}

/// A network on Tapestry's own kernels.
struct NativePrepared: PreparedNetwork {
    private let network: NativeNetwork

    /// Throws: `CommandFailure` where the weights of the model at `path` are not finite, `UnknownInstructionSet`.
    init(_ model: Model, path: String, batch: Int, threads: Int, precision: NativePrecision) throws {
        let deployed: FrozenModel
        // A model that was read is sound but for its numbers.
        do { deployed = try model.deployed() } catch {
            throw CommandFailure(.badData, "\(path): node \"\(error.node)\": its weights are not finite")
        }
        network = try NativeNetwork(tuned: deployed, batch: batch, threads: threads, precision: precision)
    }

    func logits(of batch: Batch) -> [Double] {
        let count = batch.count * network.outputShape.count
        let logits = [Float](unsafeUninitializedCapacity: count) { logits, initialized in
            batch.images.withUnsafeBufferPointer {
                network.run($0, count: batch.count, order: .channelsLast, into: logits)
            }
            initialized = count
        }
        return logits.map(Double.init)
    }
}

/// A network as its graph says, in the reference interpreter.
struct ReferencePrepared: PreparedNetwork {
    private let interpreter: ReferenceInterpreter
    private let threads: Int

    init(_ model: Model, threads: Int) throws(GraphError) {
        interpreter = try ReferenceInterpreter(model.graph, weights: model.weights)
        self.threads = threads
    }

    /// Each thread takes images by themselves.
    func logits(of batch: Batch) throws -> [Double] {
        let rows = Mutex([Result<[Double], GraphError>?](repeating: nil, count: batch.count))
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for index in stride(from: thread, to: batch.count, by: threads) {
                let row = Result { () throws(GraphError) in try interpreter(batch.input(at: index)).elements }
                rows.withLock { $0[index] = row }
            }
        }
        return try rows.withLock { try $0.flatMap { try $0!.get() } }
    }
}

extension Batch {
    /// The image at `index` as the reference interpreter takes it.
    func input(at index: Int) -> Tensor<Double> {
        image(at: index).map(Double.init).reshaped(to: [1, channels, height, width])
    }
}

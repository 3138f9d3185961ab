import TapestryCore
import TapestryRewrites

/// The asymmetric convolution blocks among a network's tensors, fused by their names alone, as ACNet's own converter does:
/// the network itself need not be known.
///
/// Every `X.square_conv.weight` becomes, with its bars and batch norms, `X.fused_conv.weight` and `X.fused_conv.bias`;
/// tensors whose names have none of `square_`, `ver_` and `hor_` stay as they are.
public enum ACBCheckpoint {
    /// One block before and after.
    public struct Fusion: Sendable {
        /// X.
        public let prefix: String
        /// The block by itself, on an image of a few pixels.
        public let block: Model
        /// One convolution, `X.fused_conv`.
        public let fused: FrozenModel
    }

    /// Whether tensors of these names have a block among them.
    public static func hasBlocks(_ names: some Sequence<String>) -> Bool { names.contains { $0.hasSuffix(suffix) } }

    /// Whether a tensor of that name is part of a block, and gone once it is fused.
    public static func isPartOfBlock(_ name: String) -> Bool {
        ["square_", "ver_", "hor_"].contains { name.contains($0) }
    }

    /// The blocks among tensors, in the order of their names. Groups are not told by names: a grouped block is fused as
    /// the same arithmetic on one group's channels.
    ///
    /// Throws `MethodError` naming the block that lacks a tensor or has one of another shape.
    public static func fusions(in tensors: [String: Tensor<Float>]) throws(MethodError) -> [Fusion] {
        let prefixes = tensors.keys.filter { $0.hasSuffix(suffix) }.sorted().map { String($0.dropLast(suffix.count)) }
        return try prefixes.map { prefix throws(MethodError) in
            do {
                let block = try block(prefix, tensors)
                return Fusion(prefix: prefix, block: block, fused: try block.deployed(.inBranches))
            } catch let error as MethodError {
                throw error
            } catch {
                throw MethodError("block \"\(prefix)\": \(error)")
            }
        }
    }

    private static let suffix = ".square_conv.weight"

    private static func block(_ prefix: String, _ tensors: [String: Tensor<Float>]) throws -> Model {
        guard let square = tensors[prefix + suffix], square.shape.rank == 4, square.shape[2] == square.shape[3] else {
            throw MethodError("block \"\(prefix)\": its square_conv.weight is no square kernel")
        }
        let kernel = square.shape[2]
        let plain = try Graph.build(input: [square.shape[1], 2 * kernel, 2 * kernel]) {
            $0.convolution(prefix, to: square.shape[0], kernel: kernel, padding: kernel / 2)
        }
        let graph = try MethodAssignment(method: ACB.name).apply(to: plain)
        var weights = Weights()
        for parameter in graph.parameters { weights.tensors[parameter.name] = tensors[parameter.name] }
        return try Model(graph: graph, weights: weights)
    }
}

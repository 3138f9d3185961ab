import Foundation
import TapestryCore

/// Which methods each convolution of a network gets: rules tried in order, the first whose pattern matches its name wins.
public struct MethodAssignment: Sendable {
    public struct Rule: Hashable, Sendable {
        /// A shell pattern on a layer's name: `layer1.*`, `feature.?`; `*` matches dots too.
        public let pattern: String
        /// As on the command line: `ask:ASK_5a`.
        public let method: String

        public init(pattern: String, method: String) {
            self.pattern = pattern
            self.method = method
        }
    }

    public let rules: [Rule]

    public init(rules: [Rule]) { self.rules = rules }

    /// One method for the whole network.
    public init(method: String) { self.init(rules: [Rule(pattern: "*", method: method)]) }

    /// `graph` with its convolutions rewritten. Throws `MethodError` naming the layer that a method cannot be applied to,
    /// and for a rule that no convolution follows: it would silently do nothing.
    public func apply(to graph: Graph) throws(MethodError) -> Graph {
        let methods = try rules.map { rule throws(MethodError) in try Methods.parse(rule.method) }
        var isUsed = rules.map { _ in false }
        var rewritten = graph
        rewritten.nodes = []
        for node in graph.nodes {
            guard case .convolution = node.operation,
                let index = rules.firstIndex(where: { fnmatch($0.pattern, node.name, 0) == 0 })
            else {
                rewritten.nodes.append(node)
                continue
            }
            isUsed[index] = true
            rewritten.nodes += try Self.rewrite(node, by: methods[index])
        }
        if let index = isUsed.firstIndex(of: false) {
            throw MethodError(
                "no convolution follows the rule \"\(rules[index].pattern)\"; names are like \(graph.example)")
        }
        do { try Verifier.verify(rewritten) } catch { throw MethodError(error.description) }
        return rewritten
    }

    private static func rewrite(_ node: Node, by methods: [any Method]) throws(MethodError) -> [Node] {
        var nodes = [node]
        for method in methods {
            var next: [Node] = []
            for node in nodes {
                guard case .convolution(let convolution) = node.operation else {
                    next.append(node)
                    continue
                }
                do {
                    next += try method.rewrite(node, convolution) ?? [node]
                } catch { throw MethodError("layer \"\(node.name)\": \(error)") }
            }
            nodes = next
        }
        return nodes
    }
}

extension Graph {
    /// The name of the first convolution, for messages.
    fileprivate var example: String {
        nodes.first { if case .convolution = $0.operation { true } else { false } }.map { "\"\($0.name)\"" } ?? "none"
    }
}

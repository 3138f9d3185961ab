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

    /// The network of an architecture with its convolutions rewritten; see `apply(to:)`. Where the architecture's paper
    /// has a form of whole blocks for a method, as ShiftNet has for shifts, the blocks that get this method take that
    /// form, and what is outside of blocks stays as it is.
    ///
    /// Throws: `GraphError` where the options do not fit the network, `MethodError` as `apply(to:)`.
    public func network(of architecture: Architecture, _ options: NetworkOptions = NetworkOptions()) throws -> Graph {
        let rules = try parsed()
        var usedRules: Set<Int> = []
        let graph = try architecture.graph(options) { block in
            guard let index = firstRule(for: block) else { return nil }
            let form = rules[index].first { architecture.blockMethods.contains(type(of: $0).name) }
            if form != nil { usedRules.insert(index) }
            return form
        }
        let others = rules.map { methods in
            methods.filter { !architecture.blockMethods.contains(type(of: $0).name) }
        }
        return try apply(others, to: graph, usedRules: usedRules)
    }

    /// `graph` with its convolutions rewritten. Throws `MethodError` naming the layer that a method cannot be applied to,
    /// for methods that mean nothing together, and for a rule that would silently do nothing: one that no convolution
    /// follows, or with a method that leaves alone all those that do.
    public func apply(to graph: Graph) throws(MethodError) -> Graph {
        try apply(try parsed(), to: graph, usedRules: [])
    }

    /// The methods of each rule, in the order in which they act.
    private func parsed() throws(MethodError) -> [[any Method]] {
        try rules.map { rule throws(MethodError) in
            let methods = try Methods.parse(rule.method)
            for stage in MethodStage.allCases {
                let rivals = methods.filter { type(of: $0).stage == stage && !($0 is Dense) }.map { type(of: $0).name }
                guard rivals.count <= 1 else {
                    throw MethodError("\(rule.method): \(rivals.joined(separator: " and ")) \(stage.conflict)")
                }
            }
            return methods.sorted { type(of: $0).stage < type(of: $1).stage }
        }
    }

    private func firstRule(for name: String) -> Int? { rules.firstIndex { fnmatch($0.pattern, name, 0) == 0 } }

    private func apply(
        _ methods: [[any Method]], to graph: Graph, usedRules: Set<Int>
    ) throws(MethodError) -> Graph {
        var usedRules = usedRules
        // The rule of each convolution, which those that take its place inherit.
        var ruleOfNode: [String: Int] = [:]
        for node in graph.nodes {
            guard case .convolution = node.operation, let rule = firstRule(for: node.name) else { continue }
            ruleOfNode[node.name] = rule
            // Where only blocks could have followed the rule, none has.
            if !methods[rule].isEmpty { usedRules.insert(rule) }
        }
        if let index = rules.indices.first(where: { !usedRules.contains($0) }) {
            guard !methods[index].isEmpty else {
                throw MethodError(
                    "no block follows the rule \"\(rules[index].pattern)\"; \(rules[index].method) gives whole blocks of "
                        + "this network another form")
            }
            throw MethodError(
                "no convolution follows the rule \"\(rules[index].pattern)\"; names are like \(graph.example)")
        }
        var rewritten = graph
        for stage in MethodStage.allCases {
            let acting = methods.map { $0.first { type(of: $0).stage == stage && !($0 is Dense) } }
            var effective: Set<Int> = []
            /// The kernels that each rule's method has left alone.
            var untouched: [Int: Set<Size>] = [:]
            try rewritten.rewriteConvolutions { site throws(MethodError) in
                guard let rule = ruleOfNode[site.node.name], let method = acting[rule] else { return nil }
                guard let replacement = try method.rewrite(site) else {
                    untouched[rule, default: []].insert(site.convolution.kernel)
                    return nil
                }
                effective.insert(rule)
                for node in replacement.nodes { ruleOfNode[node.name] = rule }
                return replacement
            }
            for (rule, method) in acting.enumerated() where !effective.contains(rule) {
                guard let method else { continue }
                let kernels = untouched[rule, default: []].map(\.description).sorted().joined(separator: ", ")
                throw MethodError(
                    "\(type(of: method).name) leaves every convolution that follows the rule "
                        + "\"\(rules[rule].pattern)\" as it is (\(kernels)); \(type(of: method).summary)")
            }
        }
        do { try Verifier.verify(rewritten) } catch { throw MethodError(error.description) }
        return rewritten
    }
}

extension MethodStage {
    /// Why a layer cannot have two methods of this stage.
    fileprivate var conflict: String {
        switch self {
        case .structure: "both replace the layer; give one of them"
        case .support: "both say which weights the layer has; give one of them"
        case .branches: "both split the layer into branches; give one of them"
        }
    }
}

extension Graph {
    /// Puts what `replacement` returns in the place of each convolution for which it is not nil.
    fileprivate mutating func rewriteConvolutions(
        _ replacement: (ConvolutionSite) throws(MethodError) -> Replacement?
    ) throws(MethodError) {
        var consumers: [String: [Node]] = [:]
        for node in nodes { for input in node.inputs { consumers[input, default: []].append(node) } }
        var result: [Node] = []
        /// The nodes that are gone, with those whose values stand for theirs.
        var substitutes: [String: String] = [:]
        for node in nodes where substitutes[node.name] == nil {
            var node = node
            node.inputs = node.inputs.map { substitutes[$0] ?? $0 }
            guard let site = ConvolutionSite(node, in: self, consumers: consumers) else {
                result.append(node)
                continue
            }
            do {
                let new = try replacement(site) ?? Replacement([node])
                result += new.nodes
                substitutes[node.name] = new.nodes[new.nodes.count - 1].name
                if new.replacesBatchNorm, let batchNorm = site.batchNorm {
                    substitutes[batchNorm.name] = new.nodes[new.nodes.count - 1].name
                }
            } catch { throw MethodError("layer \"\(node.name)\": \(error)") }
        }
        nodes = result
        outputName = substitutes[outputName] ?? outputName
    }
}

extension MethodAssignment {
    /// The rules in one line: `ask:ASK_5a`, `layer1.*=ask:ASK_2 *=dense`, or `dense`.
    public var text: String {
        let texts = rules.map { $0.pattern == "*" ? $0.method : "\($0.pattern)=\($0.method)" }
        return texts.isEmpty ? "dense" : texts.joined(separator: " ")
    }

    /// The reverse of `text`, as a model's fact has it; nil where that names a method that there is not.
    public init?(text: String) {
        if (try? Methods.parse(text)) != nil {
            self.init(rules: text == "dense" ? [] : [Rule(pattern: "*", method: text)])
            return
        }
        var rules: [Rule] = []
        for part in text.split(separator: " ") {
            let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
            let rule =
                (try? Methods.parse(String(part))) != nil
                ? Rule(pattern: "*", method: String(part)) : Rule(pattern: sides[0], method: sides.last ?? "")
            guard (try? Methods.parse(rule.method)) != nil else { return nil }
            rules.append(rule)
        }
        self.init(rules: rules)
    }
}

extension Graph {
    /// The name of the first convolution, for messages.
    fileprivate var example: String {
        nodes.first { if case .convolution = $0.operation { true } else { false } }.map { "\"\($0.name)\"" } ?? "none"
    }
}

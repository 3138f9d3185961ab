import TapestryCore

/// Asymmetric convolution blocks: a convolution trained as the sum of three, each with a batch norm of its own, which
/// afterwards become one kernel again (Ding et al., "ACNet: Strengthening the kernel skeletons for powerful CNN via
/// asymmetric convolution blocks", ICCV 2019).
///
///     y = BN(convolution k x k) + BN(convolution k x 1) + BN(convolution 1 x k)
///
/// in the place of the convolution and its batch norm, without biases, for square kernels with k = 3 or 5; others are left
/// alone. The bars lie on the middle column and row of the square, whatever the padding and the dilation: their padding is
/// the square's, less the middle's distance from the edge, and crops where that is negative. (The published block has this
/// for dilation 1 only.)
struct ACB: Method {
    static let name = "acb"
    static let summary =
        "acb: 3x3 and 5x5 as a sum of k x k, k x 1 and 1 x k, each with a batch norm whose weights start at 0.333 "
        + "(in layers that normalise first at 1, as published); acb:gamma=1/3: at 1/3; acb:corrected or "
        + "acb:gamma=1/3:corrected: in those layers too"
    static let stage = MethodStage.branches

    /// What the weights of the batch norms start at.
    let gamma: Double
    /// Whether `gamma` holds in BN-ReLU-convolution layers too, where the published code starts at 1 whatever it is told.
    let isCorrected: Bool

    init(argument: String?) throws(MethodError) {
        var gamma: Double?
        var isCorrected = false
        for option in argument?.split(separator: ":", omittingEmptySubsequences: false) ?? [] {
            if option == "corrected", !isCorrected {
                isCorrected = true
            } else if option.hasPrefix("gamma="), gamma == nil, let value = Self.number(option.dropFirst(6)) {
                gamma = value
            } else {
                throw MethodError("acb:\(argument ?? ""): expected gamma=NUMBER above 0 (as 0.333 or 1/3), corrected")
            }
        }
        self.gamma = gamma ?? 0.333
        self.isCorrected = isCorrected
    }

    /// A positive number, or the quotient of two.
    private static func number(_ text: Substring) -> Double? {
        let terms = text.split(separator: "/", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
        guard terms.count <= 2, terms.allSatisfy({ $0 > 0 }) else { return nil }
        let value = terms.count == 2 ? terms[0] / terms[1] : terms[0]
        return value > 0 && value.isFinite ? value : nil
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        guard [.square(3), .square(5)].contains(site.convolution.kernel) else { return nil }
        guard !site.node.name.hasSuffix(".square_conv") else {
            throw MethodError("is a branch of an asymmetric convolution block already")
        }
        let prefix = site.hasOwnActivation ? "\(site.layerName).acb" : site.layerName
        var norm = BatchNorm(channels: site.convolution.outputChannels)
        if case .batchNorm(let replaced) = site.batchNorm?.operation { norm = replaced }
        norm.weightInitialization = .constant(site.activatesFirst && !isCorrected ? 1 : gamma)
        var square = site.convolution
        square.hasBias = false

        func branch(_ name: String, _ convolution: Convolution) -> (convolution: Node, norm: Node) {
            let node = Node(
                name: "\(prefix).\(name)_conv", operation: .convolution(convolution), inputs: site.node.inputs)
            return (node, Node(name: "\(prefix).\(name)_bn", operation: .batchNorm(norm), inputs: [node.name]))
        }
        func sum(_ name: String, _ terms: (Node, Node)) -> Node {
            Node(name: "\(prefix).\(name)", operation: .add, inputs: [terms.0.name, terms.1.name])
        }
        let middle = branch("square", square)
        let vertical = branch("ver", try square.middleColumn())
        let horizontal = branch("hor", try square.middleRow())
        let twoOfThree = sum("square_and_ver", (middle.norm, vertical.norm))
        // In the order of the published state dict. The whole is called what it becomes when its branches are fused.
        return Replacement(
            [
                middle.convolution, middle.norm, vertical.convolution, horizontal.convolution, vertical.norm,
                horizontal.norm, twoOfThree, sum("fused_conv", (twoOfThree, horizontal.norm)),
            ], replacesBatchNorm: true)
    }
}

extension Convolution {
    /// The convolution with the middle column of the kernel, k x 1, where its taps lie on the image as they do here.
    ///
    /// Precondition: the kernel is square and odd.
    fileprivate func middleColumn() throws(MethodError) -> Convolution {
        var bar = self
        let reach = kernel.width / 2 * dilation.width
        bar.kernel.width = 1
        bar.padding.left -= reach
        bar.padding.right -= reach
        bar.support = try support(of: "middle column") { tap in
            tap.column == middleTap.column ? Tap(row: tap.row, column: 0) : nil
        }
        return bar
    }

    /// The convolution with the middle row of the kernel, 1 x k.
    fileprivate func middleRow() throws(MethodError) -> Convolution {
        var bar = self
        let reach = kernel.height / 2 * dilation.height
        bar.kernel.height = 1
        bar.padding.top -= reach
        bar.padding.bottom -= reach
        bar.support = try support(of: "middle row") { tap in
            tap.row == middleTap.row ? Tap(row: 0, column: tap.column) : nil
        }
        return bar
    }

    /// The support's part on a bar of the kernel; `place` says where on it a tap lies, nil for taps beside it.
    private func support(of bar: String, _ place: (Tap) -> Tap?) throws(MethodError) -> Support {
        switch support {
        case .dense: return .dense
        case .blockDiagonal: return support
        case .tapSets(let sets):
            return .tapSets(
                try sets.map { set throws(MethodError) in
                    let taps = set.taps.compactMap(place)
                    guard !taps.isEmpty, let part = try? TapSet(taps) else {
                        throw MethodError(
                            "its tap set \(set.numbers(in: kernel)) has no tap on the \(bar), where acb has a branch")
                    }
                    return part
                })
        case .channelTaps, .mask:
            throw MethodError("has a support whose taps differ from channel to channel, for which acb has no branches")
        }
    }
}

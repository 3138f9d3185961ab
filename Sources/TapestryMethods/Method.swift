import TapestryCore

/// A way of making convolutions cheap: a rewrite of one convolution of a graph into primitive operations.
///
/// A method is a folder and a line in `Methods.kinds`; it never adds an operation. `Docs/adding-a-method.md` builds one.
public protocol Method: Sendable {
    /// The word before the colon on the command line: "ask" in `ask:ASK_5a`.
    static var name: String { get }
    /// What may follow the colon, and what the method does, in one line.
    static var summary: String { get }

    /// The method that `argument`, the text after the colon, asks for. Throws `MethodError` where it makes no sense.
    init(argument: String?) throws(MethodError)

    /// What stands in the place of `node`, a convolution; the last node keeps its name. Nil where the method leaves such
    /// a convolution alone by design. Throws `MethodError` with the reason where it cannot be applied.
    func rewrite(_ node: Node, _ convolution: Convolution) throws(MethodError) -> [Node]?
}

/// Why a method cannot do what was asked.
public struct MethodError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The network as it is.
struct Dense: Method {
    static let name = "dense"
    static let summary = "dense: the convolution as it is"

    init(argument: String?) throws(MethodError) {
        guard argument == nil else { throw MethodError("dense takes no argument") }
    }

    func rewrite(_ node: Node, _ convolution: Convolution) -> [Node]? { nil }
}

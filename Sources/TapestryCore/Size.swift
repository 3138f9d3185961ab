/// A height and a width: of a kernel, a stride, a dilation or a pooling window.
public struct Size: Hashable, Codable, Sendable {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    public static func square(_ side: Int) -> Size { Size(height: side, width: side) }

    public var area: Int { height * width }
}

extension Size: CustomStringConvertible {
    public var description: String { "\(height)x\(width)" }
}

/// Zeros around an image, each side its own.
public struct Padding: Hashable, Codable, Sendable {
    public var top: Int
    public var left: Int
    public var bottom: Int
    public var right: Int

    public init(top: Int, left: Int, bottom: Int, right: Int) {
        self.top = top
        self.left = left
        self.bottom = bottom
        self.right = right
    }

    public static let none = Padding.all(0)

    public static func all(_ side: Int) -> Padding { Padding(top: side, left: side, bottom: side, right: side) }

    public var isSymmetric: Bool { top == bottom && left == right }
}

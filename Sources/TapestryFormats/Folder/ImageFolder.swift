import Foundation

/// The images of a folder per class, listed but not read: DIRECTORY/{train,val|test}/CLASS/*.{jpg,jpeg,png}.
///
/// Classes are the folders' names in the order of their UTF-8 bytes, and files likewise within a class, as torchvision's
/// `ImageFolder` numbers them.
public struct ImageFolder: Equatable, Sendable {
    public let classNames: [String]
    /// The path of each image and its class index.
    public let paths: [String]
    public let labels: [Int]

    /// Lists a split of `directory`; the test split is the folder `val`, or `test` if there is none.
    ///
    /// Throws: `InputNotFound` if the split's folder is missing; `FormatError` if it has no class, or a class no image.
    public init(directory: String, split: Split) throws {
        guard let root = Self.root(of: split, in: directory) else {
            let names = Self.folderNames(of: split).joined(separator: " or ")
            throw InputNotFound(path: directory, remedy: "expected a folder \(names) with a folder of images per class")
        }
        let classNames = try Self.entries(of: root).filter { Self.isDirectory("\(root)/\($0)") }
        guard !classNames.isEmpty else {
            throw FormatError(file: root, reason: "expected a folder per class, found none")
        }
        var paths: [String] = []
        var labels: [Int] = []
        for (label, name) in classNames.enumerated() {
            let folder = "\(root)/\(name)"
            let images = try Self.entries(of: folder).filter(Self.isImage).map { "\(folder)/\($0)" }
            guard !images.isEmpty else {
                throw FormatError(file: folder, reason: "expected images (.jpg, .jpeg, .png), found none")
            }
            paths += images
            labels += Array(repeating: label, count: images.count)
        }
        self.classNames = classNames
        self.paths = paths
        self.labels = labels
    }

    public var count: Int { paths.count }

    /// The split's folder in `directory`; nil if there is none.
    package static func root(of split: Split, in directory: String) -> String? {
        folderNames(of: split).map { "\(directory)/\($0)" }.first(where: isDirectory)
    }

    private static func folderNames(of split: Split) -> [String] { split == .train ? ["train"] : ["val", "test"] }

    private static func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    private static func isImage(_ name: String) -> Bool {
        let name = name.lowercased()
        return [".jpg", ".jpeg", ".png"].contains { name.hasSuffix($0) }
    }

    /// Names in a folder that are not hidden, sorted by bytes.
    private static func entries(of folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        } catch {
            throw InputNotFound(path: folder, remedy: "cannot list the folder: \(error.localizedDescription)")
        }
    }
}

import Foundation
import TapestryModelFile

/// Lists of large image folders, kept in files: a million images are then known as soon as a file of their names is read.
///
/// A list is taken for true as long as the folder of the classes and that of each class have the inode and the times of
/// their last changes that they had. It is not kept of a folder that was changed a moment ago, and might be again at a
/// time that the file system's clock does not tell from that.
public struct ImageFolderCache: Sendable {
    private let folder: String
    private let smallestCount: Int
    private let restNanoseconds: Int64

    /// Keeps the lists of `smallestCount` images or more in `folder`; fewer are listed as soon. Only of image folders that
    /// had not changed for `restSeconds`: no file system's clock is coarser than that of two seconds.
    public init(folder: String, smallestCount: Int = 10_000, restSeconds: Double = 2) {
        self.folder = folder
        self.smallestCount = smallestCount
        restNanoseconds = Int64(restSeconds * 1e9)
    }

    /// In Tapestry's cache.
    public static var standard: ImageFolderCache { ImageFolderCache(folder: "\(CacheFolder.path())/image-folders") }

    /// The image folder at `root`; nil where its list is not kept, or not true any more, or damaged.
    package func folder(at root: String) -> ImageFolder? {
        guard let path = resolve(root), let bytes = try? InputFile.read(file(for: path), limit: Self.limit),
            let list = try? ImageFolderList(bytes, file: file(for: path)), list.root == path, list.isTrue
        else { return nil }
        return ImageFolder(root: root, classNames: list.classNames, names: list.names, classSizes: list.classSizes)
    }

    /// Keeps what was listed from the time `start` on. Where it cannot be written, it will be listed again.
    func keep(_ images: ImageFolder, as listing: ImageFolderListing, since start: Int64) {
        let stamps = [listing.stamp] + listing.classes.map(\.stamp)
        guard images.count >= smallestCount, let path = resolve(images.root),
            stamps.allSatisfy({ max($0.modified, $0.changed) <= start - restNanoseconds })
        else { return }
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let list = ImageFolderList(
            root: path, stamps: stamps, classNames: images.classNames, names: images.names,
            classSizes: listing.classes.map(\.starts.count))
        try? AtomicFile.write(list.bytes, to: file(for: path))
    }

    private func file(for path: String) -> String { "\(folder)/\(SHA256.hex(of: Array(path.utf8)))" }

    private func resolve(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static let limit = 1 << 31
}

/// A kept list: little-endian numbers, texts with their lengths before them, and the digest of all that at the end.
package struct ImageFolderList: Equatable {
    let root: String
    /// Of the root and of each class's folder.
    let stamps: [DirectoryStamp]
    let classNames: [String]
    /// Class by class, each name with a zero byte after it.
    let names: [UInt8]
    let classSizes: [Int]

    private static let magic = Array("tapestry images 1\n".utf8)
    private static let digestSize = 64

    init(root: String, stamps: [DirectoryStamp], classNames: [String], names: [UInt8], classSizes: [Int]) {
        self.root = root
        self.stamps = stamps
        self.classNames = classNames
        self.names = names
        self.classSizes = classSizes
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        func append(_ text: [UInt8]) {
            writer.append(UInt64(text.count))
            writer.append(text)
        }
        append(Array(root.utf8))
        writer.append(UInt64(classNames.count))
        for stamp in stamps {
            writer.append(stamp.inode)
            writer.append(stamp.modified)
            writer.append(stamp.changed)
        }
        for (name, size) in zip(classNames, classSizes) {
            append(Array(name.utf8))
            writer.append(UInt64(size))
        }
        append(names)
        writer.append(SHA256.hex(of: writer.bytes))
        return writer.bytes
    }

    /// Throws: `FormatError` for anything that is not such a list.
    package init(_ bytes: [UInt8], file: String) throws {
        var reader = ByteReader(file: file, bytes: bytes)
        guard bytes[try reader.take(Self.magic.count, for: "magic")].elementsEqual(Self.magic) else {
            throw reader.error("expected a list of images", at: 0)
        }
        let end = bytes.count - Self.digestSize
        guard end >= reader.offset, SHA256.hex(of: Array(bytes[..<end])).utf8.elementsEqual(bytes[end...]) else {
            throw reader.error("expected bytes of the digest at the end")
        }
        func count(_ purpose: String, bytesEach: Int) throws -> Int {
            let count = try reader.littleEndian(8, for: purpose)
            guard count <= reader.remaining / bytesEach else { throw reader.error("\(count) \(purpose) do not fit") }
            return Int(count)
        }
        func text(_ purpose: String) throws -> ArraySlice<UInt8> {
            let length = try count("bytes of \(purpose)", bytesEach: 1)
            return bytes[try reader.take(length, for: purpose)]
        }
        root = String(decoding: try text("path"), as: UTF8.self)
        let classCount = try count("classes", bytesEach: 24)
        stamps = try (0...classCount).map { _ in
            let numbers = try (0..<3).map { _ in try reader.littleEndian(8, for: "stamp") }
            return DirectoryStamp(
                inode: numbers[0], modified: Int64(bitPattern: numbers[1]), changed: Int64(bitPattern: numbers[2]))
        }
        var (classNames, classSizes): ([String], [Int]) = ([], [])
        for _ in 0..<classCount {
            classNames.append(String(decoding: try text("class name"), as: UTF8.self))
            classSizes.append(try count("images", bytesEach: 1))
        }
        self.classNames = classNames
        self.classSizes = classSizes
        names = Array(try text("names"))
        try check(reader, size: end)
    }

    /// Names are of files in their class's folder, and as many as there should be.
    private func check(_ reader: ByteReader, size: Int) throws {
        let slash = UInt8(ascii: "/")
        guard reader.offset == size else { throw reader.error("expected the digest") }
        guard names.last == 0, !names.contains(slash), !classNames.contains(where: { $0.utf8.contains(slash) })
        else { throw reader.error("expected names of files") }
        guard !classSizes.contains(0) else { throw reader.error("expected images in each class") }
        // No size is larger than the file, nor are there more of them, so the sum is a number.
        let count = classSizes.reduce(0, +)
        guard count == names.count(where: { $0 == 0 }) else { throw reader.error("expected \(count) names") }
    }

    /// Whether the folders are as they were.
    var isTrue: Bool {
        zip([root] + classNames.map { "\(root)/\($0)" }, stamps).allSatisfy { DirectoryStamp(path: $0) == $1 }
    }
}

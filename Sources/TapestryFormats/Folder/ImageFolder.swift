import Dispatch
import Glibc
import Synchronization

/// The images of a folder per class, listed but not read: DIRECTORY/{train,val|test}/CLASS/*.{jpg,jpeg,png}.
///
/// Classes are the folders' names in the order of their UTF-8 bytes, and files likewise within a class, as torchvision's
/// `ImageFolder` numbers them.
public struct ImageFolder: Equatable, Sendable {
    public let classNames: [String]
    /// The folder of the classes' folders.
    let root: String
    /// The files' names, class by class, each with a zero byte after it.
    let names: [UInt8]
    /// Where each file's name begins in `names`.
    private let starts: [Int]
    /// The first image of each class, and at last the number of images.
    let classStarts: [Int]

    /// Lists a split of `directory`; the test split is the folder `val`, or `test` if there is none. Large ones are listed
    /// once and then found in `cache`, as long as nothing in them was added, removed or renamed.
    ///
    /// Throws: `InputNotFound` if the split's folder is missing; `FormatError` if it has no class, or a class no image.
    public init(directory: String, split: Split, cache: ImageFolderCache? = nil) throws {
        guard let root = Self.root(of: split, in: directory) else {
            let names = Self.folderNames(of: split).joined(separator: " or ")
            throw InputNotFound(path: directory, remedy: "expected a folder \(names) with a folder of images per class")
        }
        if let kept = cache?.folder(at: root) {
            self = kept
            return
        }
        let start = Self.now
        let listing = try ImageFolderListing(of: root)
        self.init(
            root: root, classNames: listing.classNames, names: Array(listing.classes.map(\.names).joined()),
            classSizes: listing.classes.map(\.starts.count))
        cache?.keep(self, as: listing, since: start)
    }

    /// Precondition: as many names as the classes' sizes say.
    init(root: String, classNames: [String], names: [UInt8], classSizes: [Int]) {
        self.root = root
        self.classNames = classNames
        self.names = names
        classStarts = classSizes.reduce(into: [0]) { $0.append($0.last! + $1) }
        var starts: [Int] = []
        starts.reserveCapacity(classStarts.last!)
        names.withUnsafeBufferPointer { names in
            var start = 0
            while start < names.count {
                starts.append(start)
                start += strlen(UnsafeRawPointer(names.baseAddress! + start).assumingMemoryBound(to: CChar.self)) + 1
            }
        }
        precondition(starts.count == classStarts.last!)
        self.starts = starts
    }

    public var count: Int { starts.count }

    /// The class index of an image. Precondition: 0 <= index < count.
    public func label(at index: Int) -> Int {
        var classes = 0..<classNames.count
        while classes.count > 1 {
            let middle = classes.lowerBound + classes.count / 2
            classes = index < classStarts[middle] ? classes.lowerBound..<middle : middle..<classes.upperBound
        }
        return classes.lowerBound
    }

    /// The path of an image. Precondition: 0 <= index < count.
    public func path(at index: Int) -> String {
        let end = index + 1 < starts.count ? starts[index + 1] : names.count
        let name = String(decoding: names[starts[index]..<end - 1], as: UTF8.self)
        return "\(root)/\(classNames[label(at: index)])/\(name)"
    }

    /// The split's folder in `directory`; nil if there is none.
    package static func root(of split: Split, in directory: String) -> String? {
        folderNames(of: split).map { "\(directory)/\($0)" }.first { DirectoryStamp(path: $0) != nil }
    }

    private static func folderNames(of split: Split) -> [String] { split == .train ? ["train"] : ["val", "test"] }

    /// Nanoseconds since 1970.
    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// What the directories of an image folder say: the classes' names, and the images in each.
struct ImageFolderListing {
    let stamp: DirectoryStamp
    let classNames: [String]
    let classes: [DirectoryListing]

    /// Throws: `InputNotFound`; `FormatError` if there is no class, or a class without images.
    init(of root: String) throws {
        let folders = try DirectoryListing(of: root) { name, kind in
            kind == Int(DT_DIR)
                || (kind == Int(DT_LNK) || kind == Int(DT_UNKNOWN))
                    && DirectoryStamp(path: "\(root)/\(String(decoding: name, as: UTF8.self))") != nil
        }
        stamp = folders.stamp
        classNames = folders.names.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard !classNames.isEmpty else {
            throw FormatError(file: root, reason: "expected a folder per class, found none")
        }
        classes = try Self.list(classNames.map { "\(root)/\($0)" })
    }

    /// All classes at once: the time is that of the disk or the network.
    private static func list(_ folders: [String]) throws -> [DirectoryListing] {
        let results = Mutex([Result<DirectoryListing, any Error>?](repeating: nil, count: folders.count))
        DispatchQueue.concurrentPerform(iterations: folders.count) { index in
            let result = Result {
                let images = try DirectoryListing(of: folders[index]) { name, kind in
                    kind != Int(DT_DIR) && isImage(name)
                }
                guard !images.starts.isEmpty else {
                    throw FormatError(
                        file: folders[index], reason: "expected images (.jpg, .jpeg, .png), found none")
                }
                return images
            }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { try $0.map { try $0!.get() } }
    }

    private static func isImage(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        suffixes.contains { suffix in
            name.count >= suffix.count
                && zip(name.suffix(suffix.count), suffix).allSatisfy { byte, letter in
                    byte == letter || (65...90).contains(byte) && byte + 32 == letter
                }
        }
    }

    private static let suffixes = [".jpg", ".jpeg", ".png"].map { Array($0.utf8) }
}

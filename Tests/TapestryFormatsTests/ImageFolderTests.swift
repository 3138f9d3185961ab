import Foundation
import TapestryCore
import TapestryFormats
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite struct ImageFolderTests {
    @Test func classesAndFilesAreSorted() throws {
        let directory = try TemporaryDirectory()
        for name in ["train/b/2.PNG", "train/b/10.jpg", "train/B/x.jpeg", "train/b/notes.txt", "train/readme"] {
            try directory.write([], to: name)
        }
        let folder = try ImageFolder(directory: directory.path, split: .train)
        #expect(folder.classNames == ["B", "b"])
        #expect(
            (0..<folder.count).map { folder.path(at: $0).dropFirst(directory.path.count) } == [
                "/train/B/x.jpeg", "/train/b/10.jpg", "/train/b/2.PNG",
            ])
        #expect((0..<folder.count).map(folder.label) == [0, 1, 1])
    }

    @Test func linksAreFollowed() throws {
        let directory = try TemporaryDirectory()
        try directory.write([], to: "train/a/1.png")
        try directory.write([], to: "elsewhere/2.png")
        for (link, target) in [("train/b", "../elsewhere"), ("train/c", "nowhere"), ("train/a/3.png", "1.png")] {
            try #require(symlink(target, "\(directory.path)/\(link)") == 0)
        }
        let folder = try ImageFolder(directory: directory.path, split: .train)
        #expect(folder.classNames == ["a", "b"])
        let paths = (0..<folder.count).map { folder.path(at: $0).dropFirst(directory.path.count) }
        #expect(paths == ["/train/a/1.png", "/train/a/3.png", "/train/b/2.png"])
    }

    @Test func theTestSplitIsValOrTest() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: InputNotFound.self) { try ImageFolder(directory: directory.path, split: .test) }
        try directory.write([], to: "test/a/1.png")
        #expect(try ImageFolder(directory: directory.path, split: .test).count == 1)
        try directory.write([], to: "val/a/1.png")
        try directory.write([], to: "val/a/2.png")
        #expect(try ImageFolder(directory: directory.path, split: .test).count == 2)
    }

    @Test func emptyFoldersAreRefused() throws {
        let directory = try TemporaryDirectory()
        try directory.write([], to: "train/readme")
        expectFormatError("expected a folder per class, found none") {
            _ = try ImageFolder(directory: directory.path, split: .train)
        }
        try directory.write([], to: "train/a/readme")
        expectFormatError("expected images (.jpg, .jpeg, .png), found none") {
            _ = try ImageFolder(directory: directory.path, split: .train)
        }
    }
}

@Suite("Kept lists of image folders") struct ImageFolderCacheTests {
    private let directory: TemporaryDirectory
    private let cache: ImageFolderCache
    private var root: String { "\(directory.path)/train" }

    /// Three classes of a thousand empty files each.
    init() throws {
        directory = try TemporaryDirectory()
        for name in ["b", "a", "ü"] {
            try directory.write([], to: "train/\(name)/0.png")
            for number in 1..<1000 {
                let descriptor = open("\(directory.path)/train/\(name)/\(number).JPEG", O_CREAT | O_WRONLY, 0o600)
                try #require(descriptor >= 0)
                close(descriptor)
            }
        }
        cache = ImageFolderCache(folder: "\(directory.path)/cache", smallestCount: 3000, restSeconds: 0)
        letTheClockMove()
    }

    private func list() throws -> ImageFolder {
        try ImageFolder(directory: directory.path, split: .train, cache: cache)
    }

    /// By more than the tick in which file systems count.
    private func letTheClockMove() { usleep(20_000) }

    private var kept: String {
        get throws {
            let folder = "\(directory.path)/cache"
            return "\(folder)/\(try #require(FileManager.default.contentsOfDirectory(atPath: folder).first))"
        }
    }

    @Test func aLargeFolderIsListedOnce() throws {
        #expect(cache.folder(at: root) == nil)
        let first = try list()
        #expect(first.classNames == ["a", "b", "ü"])
        #expect(first.count == 3000)
        #expect(first.path(at: 2000) == "\(root)/ü/0.png")
        #expect([0, 999, 1000, 2999].map(first.label) == [0, 0, 1, 2])
        #expect(cache.folder(at: root) == first)
        #expect(try list() == first)
    }

    @Test func anyChangeIsSeen() throws {
        let changes: [(String, Int)] = [
            ("touch train/b/new.jpg", 3001), ("rm train/b/new.jpg", 3000), ("mv train/a/1.JPEG train/a/x.JPEG", 3000),
            ("mkdir train/c && touch train/c/1.png", 3001), ("mv train/c train/d", 3001),
            ("cp -a train/a train/a2 && rm -r train/a && mv train/a2 train/a", 3001),
        ]
        var before = try list()
        for (change, count) in changes {
            letTheClockMove()
            #expect(cache.folder(at: root) == before, "\(change)")
            try shell(change)
            #expect(cache.folder(at: root) == nil, "\(change)")
            letTheClockMove()
            before = try list()
            #expect(before.count == count, "\(change)")
        }
    }

    private func shell(_ line: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "cd '\(directory.path)' && \(line)"]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test func whatMightStillChangeIsNotKept() throws {
        let patient = ImageFolderCache(folder: "\(directory.path)/cache", smallestCount: 3000, restSeconds: 3600)
        _ = try ImageFolder(directory: directory.path, split: .train, cache: patient)
        #expect(patient.folder(at: root) == nil)
    }

    @Test func smallFoldersAreNotKept() throws {
        let choosy = ImageFolderCache(folder: "\(directory.path)/cache", smallestCount: 3001, restSeconds: 0)
        _ = try ImageFolder(directory: directory.path, split: .train, cache: choosy)
        #expect(choosy.folder(at: root) == nil)
    }

    @Test func whereNothingCanBeKeptFoldersAreListedAllTheSame() throws {
        let path = try directory.write([], to: "file")
        let nowhere = ImageFolderCache(folder: path, smallestCount: 1, restSeconds: 0)
        #expect(try ImageFolder(directory: directory.path, split: .train, cache: nowhere).count == 3000)
    }

    @Test func damagedListsAreMadeAnew() throws {
        let folder = try list()
        let bytes = try InputFile.read(try kept, limit: 1 << 20)
        var random = RandomStream(seed: 3, purpose: .test)
        for _ in 0..<20 {
            var damaged = bytes
            damaged[random.integer(below: bytes.count)] ^= UInt8(1 << random.integer(below: 8))
            try AtomicFile.write(damaged, to: try kept)
            #expect(cache.folder(at: root) == nil)
        }
        try AtomicFile.write(Array(bytes.dropLast(7)), to: try kept)
        #expect(cache.folder(at: root) == nil)
        #expect(try list() == folder)
        #expect(cache.folder(at: root) == folder)
    }

    /// Lists with a right digest and anything else wrong.
    @Test func hostileListsAreRefused() throws {
        _ = try list()
        let whole = try InputFile.read(try kept, limit: 1 << 20)
        #expect(try ImageFolderList(whole, file: "f").bytes == whole)
        func refused(_ body: [UInt8]) -> Bool {
            do {
                _ = try ImageFolderList(body + SHA256.hex(of: body).utf8, file: "f")
                return false
            } catch { return error is FormatError }
        }
        let body = Array(whole.dropLast(64))
        for count in 0..<300 { #expect(refused(Array(body.prefix(count)))) }
        for place in [18, 18 + 8 + root.utf8.count] {
            for value in [[UInt8](repeating: 0xFF, count: 8), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]] {
                var changed = body
                changed.replaceSubrange(place..<place + 8, with: value)
                #expect(refused(changed))
            }
        }
        var sideways = body
        sideways[body.count - 3] = UInt8(ascii: "/")
        #expect(refused(sideways))
        var joined = body
        joined[try #require(body.dropLast().lastIndex(of: 0))] = 0x41
        #expect(refused(joined))
        #expect(refused(body + [0]))
    }
}

import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// Zip files that say one thing here and another there.
@Suite struct HostileZipTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws {
        _ = try PyTorchCheckpoint.read(try directory.write(bytes, to: "f.pt"))
    }

    private func expect(
        _ reason: String, _ change: (inout ZipFile) -> Void, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var file = ZipFile.checkpoint()
        change(&file)
        do {
            try read(file.bytes)
            Issue.record("expected an error with '\(reason)'", sourceLocation: sourceLocation)
        } catch let error as FormatError {
            #expect(error.description.contains(reason), sourceLocation: sourceLocation)
        } catch {
            Issue.record("expected a FormatError, found \(error)", sourceLocation: sourceLocation)
        }
    }

    @Test func entriesAreWhatTheDirectorySays() {
        expect("expected stored entries, as PyTorch writes them, found \"a/data/k\" compressed") {
            $0.entries[2].method = 8
        }
        expect("expected a plain entry") { $0.entries[0].flags = 1 }
        expect("with checksum 0x1234") { $0.entries[2].checksum = 0x1234 }
        expect("with checksum 0x1234") { $0.entries[0].checksum = 0x1234 }
        expect("expected the header of \"a/data/k\" as in the directory") { $0.entries[2].listedSize = 15 }
        expect("expected the header of \"a/data/k\" as in the directory") { $0.entries[2].ownSize = 15 }
        expect("expected the header of \"a/data/k\" as in the directory") { $0.entries[2].ownChecksum = 15 }
        expect("expected the header of \"a/data/j\" as in the directory") { $0.entries[2].listedName = "a/data/j" }
        expect("bytes of \"a/version\" before the directory") { $0.entries[3].listedSize = 1 << 20 }
        expect("expected the header of \"a/version\", found other bytes") { $0.entries[3].listedOffset = 1 }
        expect("expected an entry before the directory") { $0.entries[3].listedOffset = 1 << 20 }
        expect("expected an entry's sizes and offset in 63 bits") { $0.entries[3].listedOffset = 0xFFFF_FFFF }
        expect("expected distinct entries, found \"a/version\" twice") { $0.entries.append($0.entries[3]) }
        expect("found one that is encrypted, in another part or without name") { $0.entries[3].name = "" }
    }

    @Test func sizesMayFollowTheBytesButNotContradictThem() throws {
        var file = ZipFile.checkpoint()
        file.entries[2].flags = 8
        try read(file.bytes)
        file.entries[2].ownSize = 0
        file.entries[2].ownChecksum = 0
        try read(file.bytes)
        file.entries[2].ownSize = 7
        #expect(throws: FormatError.self) { try read(file.bytes) }
    }

    @Test func entriesDoNotOverlap() {
        expect("found \"a/version\" begin within \"a/x\"") {
            let version = $0.entries[3]
            let inner = ZipFile(entries: [version]).bytes.prefix(30 + version.name.utf8.count + version.bytes.count)
            $0.entries.insert(ZipFile.Entry(name: "a/x", bytes: Array(inner)), at: 0)
            $0.entries[4].listedOffset = 30 + 3
        }
    }

    @Test func theDirectoryEndsTheFile() {
        expect("expected a directory that ends at byte") { $0.directoryShift = 1 }
        expect("expected a directory that ends at byte") { $0.directoryShift = -1 }
        expect("expected a directory that ends at byte") { $0.directoryShift = 1 << 30 }
        expect("end record in its last 22 bytes") { $0.comment = [0] }
        expect("expected 3 entries in the directory, found 4") { $0.listedCount = 3 }
        expect("expected entries of at least 46 bytes, found 1000") { $0.listedCount = 1000 }
        var file = ZipFile.checkpoint().bytes
        file[file.count - 2] = 1
        expectFormatError(at: file.count - 22, "expected one archive without comment") { try read(file) }
        expectFormatError(at: 4, "at least 22 bytes, found 4") { try read([0x50, 0x4B, 3, 4]) }
    }

    /// The numbers of 64 bits, in a file that Tapestry wrote: 98 bytes before its end begins their record.
    @Test func wideRecordsAgreeWithTheOthers() throws {
        let path = directory.path + "/w.pt"
        try PyTorchCheckpoint.write(
            [NamedTensor(name: "w", tensor: .int8(Tensor(shape: [1], elements: [1])))], to: path)
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        let cases: [(place: Int, value: UInt8, reason: String)] = [
            (98, 0, "expected a zip64 end record of 56 bytes"), (94, 0, "expected a zip64 end record of 56 bytes"),
            (98 - 16, 1, "expected one archive, found parts"), (98 - 24, 0, "expected one archive, found parts"),
            (98 - 40, 0, "expected a directory that ends at byte"),
            (98 - 55, 0xFF, "expected a directory that ends at byte"),
            (42 - 8, 0, "expected the zip64 end record at byte"), (42 - 4, 1, "expected the zip64 end record at byte"),
            (22 - 12, 0, "expected the same directory in both end records"),
            (22 - 16, 0, "expected the same directory in both end records"),
            (22 - 8, 0, "expected one archive without comment"),
        ]
        for (place, value, reason) in cases {
            var file = whole
            file[file.count - place] = value
            do {
                try read(file)
                Issue.record("expected an error with '\(reason)'")
            } catch { #expect("\(error)".contains(reason), "\(place)") }
        }
        #expect(Damage.truncationsAccepted(of: whole, by: read) == [])
    }

    @Test func archivesAreCheckpoints() {
        expect("one data.pkl, found a zip file with 0") { $0.entries.removeFirst() }
        expect("one data.pkl, found a zip file with 2") {
            $0.entries.append(ZipFile.Entry(name: "b/data.pkl", bytes: []))
        }
        expect("found a TorchScript program") { $0.entries.append(ZipFile.Entry(name: "a/constants.pkl", bytes: [])) }
        expect("archive with its version, found none") { $0.entries.removeLast() }
        expect("expected a version from 1 to 10") { $0.entries[3].bytes = Array("11\n".utf8) }
        expect("expected a version from 1 to 10") { $0.entries[3].bytes = Array("three".utf8) }
        expect("\"a/version\" of at most 16 bytes") { $0.entries[3].bytes = [UInt8](repeating: 0x33, count: 17) }
        expect("expected byte order little, found another") { $0.entries[1].bytes = Array("big".utf8) }
        expect("expected the end of data.pkl, found more bytes") { $0.entries[0].bytes.append(0) }
        expect("expected its storage \"k\", found none") { $0.entries.remove(at: 2) }
        expect("expected a storage of 16 bytes, found 12") { $0.entries[2].bytes.removeLast(4) }
    }
}

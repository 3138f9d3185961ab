import Foundation
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite struct AtomicFileTests {
    private struct Interruption: Error {}

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func theNewFileReplacesTheOldOne() throws {
        let path = try directory.write([1, 2, 3], to: "f")
        try AtomicFile.write("new", to: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        #expect(try directory.entries == ["f"])
    }

    @Test func afterAFailureTheOldFileStandsAlone() throws {
        let path = try directory.write([1], to: "f")
        #expect(throws: Interruption.self) {
            try AtomicFile.write(to: path) { file in
                try [UInt8](repeating: 7, count: 100).withUnsafeBytes { try file.write($0) }
                throw Interruption()
            }
        }
        #expect(FileManager.default.contents(atPath: path) == Data([1]))
        #expect(try directory.entries == ["f"])
    }

    @Test func aLinkIsFollowed() throws {
        let path = try directory.write([1], to: "target")
        let link = directory.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        try AtomicFile.write([2], to: link)
        #expect(FileManager.default.contents(atPath: path) == Data([2]))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
    }

    @Test func errorsSayWhatFailedAndWhetherTheDiskIsFull() throws {
        let missing = directory.path + "/none/f"
        #expect(throws: WriteError(path: missing, code: ENOENT, operation: "create")) {
            try AtomicFile.write([1], to: missing)
        }
        #expect(throws: WriteError(path: directory.path, code: EISDIR, operation: "open")) {
            try AtomicFile.write([1], to: directory.path)
        }
        let full = WriteError(path: "/dev/full", code: ENOSPC, operation: "write")
        #expect(throws: full) { try AtomicFile.write([1], to: "/dev/full") }
        #expect(full.isDiskFull)
        #expect(!WriteError(path: "f", code: EACCES, operation: "create").isDiskFull)
    }
}

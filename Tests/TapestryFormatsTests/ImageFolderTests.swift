import TapestryFormats
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
            folder.paths.map { $0.dropFirst(directory.path.count) } == [
                "/train/B/x.jpeg", "/train/b/10.jpg", "/train/b/2.PNG",
            ])
        #expect(folder.labels == [0, 1, 1])
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

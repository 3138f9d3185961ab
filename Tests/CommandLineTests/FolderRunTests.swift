#if TAPESTRY_LIBTORCH
import Foundation
import TapestryTestSupport
import Testing

/// A folder of images of several kinds in two classes; of those to train on one is damaged, and of those to test on.
private struct ImageFolderRun {
    let folder: String
    var options: String {
        "--arch acnet/cifar-quick --method acb --recipe acnet-imagenet --data \(folder)/images --image-size 32"
            + " --batch-size 7 --set drop-last=false --epochs 2 --lr 0.01 --threads 1"
    }

    static func with(_ body: (ImageFolderRun) throws -> Void) throws {
        try TemporaryFolder.with { folder in
            let names = ["420.jpg", "422.jpg", "444.jpg", "progressive.jpg", "grey.jpg", "rgb.png"]
            for (split, count) in [("train", 6), ("val", 3)] {
                for kind in ["ant", "bee"] {
                    let place = "\(folder)/images/\(split)/\(kind)"
                    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                    for name in names.prefix(count) {
                        try Data(Fixture.bytes("images/large/\(name)")).write(to: URL(filePath: "\(place)/\(name)"))
                    }
                }
                let bytes = try Fixture.bytes("images/large/420.jpg").prefix(1000)
                try Data(bytes).write(to: URL(filePath: "\(folder)/images/\(split)/bee/damaged.jpg"))
            }
            try body(ImageFolderRun(folder: folder))
        }
    }

    func shell(_ line: String) throws -> Program.Outcome { try Program.shell(line) }

    /// What two processes that train together end with and say, by rank.
    func trainTogether(_ options: String) throws -> (statuses: [Substring], errors: [[Substring]]) {
        let outcome = try shell(
            """
            pids=(); for rank in 0 1; do
                env RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=\(try freeLoopbackPort()) \
                    "$tapestry" train \(self.options) \(options) --timeout 60 2> \(folder)/errors$rank >/dev/null &
                pids+=($!)
            done; for pid in ${pids[@]}; do wait $pid; echo $?; done
            """)
        return (
            outcome.output.split(separator: "\n"),
            try (0..<2).map {
                try String(contentsOfFile: "\(folder)/errors\($0)", encoding: .utf8).split(separator: "\n")
            }
        )
    }
}

@Suite("Runs on image folders") struct FolderRunTests {
    @Test func aNetworkIsTrainedTestedAndDeployed() throws {
        try ImageFolderRun.with { run in
            let trained = try run.shell("$tapestry train \(run.options) --out \(run.folder)/run")
            try #require(trained.status == 0, "\(trained.errors)")
            for split in ["train", "val"] {
                let named = trained.errorLines.filter {
                    $0.hasPrefix("unreadable: ") && $0.contains("/\(split)/bee/damaged.jpg: ")
                }
                #expect(named.count == 1, "\(trained.errors)")
            }
            #expect(trained.errors.contains("unreadable: 2 images so far, replaced by others in training"))
            let model = "\(run.folder)/run/last.safetensors"
            let tested = try run.shell("$tapestry evaluate \(model) --data \(run.folder)/images --json")
            #expect(tested.status == 0, "\(tested.errors)")
            #expect(try (tested.json() as? [String: Any])?["images"] as? Int == 6)
            #expect(tested.errors.contains("unreadable: 1 image so far, left out"))
            let deployed = "\(run.folder)/deployed.safetensors"
            let data = "--data \(run.folder)/images"
            let converted = try run.shell("$tapestry convert \(model) -o \(deployed) \(data) --json")
            #expect(converted.status == 0, "\(converted.errors)")
            let validated = try run.shell("$tapestry validate \(model) \(deployed) \(data) --json")
            #expect(validated.status == 0, "\(validated.errors)")
            #expect(try (validated.json() as? [String: Any])?["agreement"] as? Double == 100)
        }
    }

    @Test func theThreadsThatLoadChangeNothing() throws {
        try ImageFolderRun.with { run in
            for threads in [1, 3] {
                let outcome = try run.shell(
                    "$tapestry train \(run.options) --loading-threads \(threads) --out \(run.folder)/\(threads)")
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
            #expect(
                try run.shell("cmp \(run.folder)/1/last.safetensors \(run.folder)/3/last.safetensors").status == 0)
        }
    }

    @Test func tooManyUnreadableImagesEndWith65() throws {
        try ImageFolderRun.with { run in
            let train = "$tapestry train \(run.options) --out \(run.folder)/run"
            let none = try run.shell("\(train) --limit-unreadable 0")
            #expect(none.status == 65)
            #expect(none.errorLines.last?.contains("damaged.jpg: expected a whole JPEG image") == true)
            // The run goes on where it is told to do without more.
            let one = try run.shell("\(train) --resume --limit-unreadable 1")
            #expect(one.status == 65)
            #expect(one.errorLines.last?.hasSuffix("; more images cannot be read than the limit of 1") == true)
            #expect(try run.shell("\(train) --resume --limit-unreadable 2").status == 0)
        }
    }

    /// Either process may meet either image, in some epochs the one and in some the other: each counts once.
    @Test func processesCountUnreadableImagesTogether() throws {
        try ImageFolderRun.with { run in
            let whole = try run.trainTogether("--epochs 4 --limit-unreadable 2 --out \(run.folder)/run")
            #expect(whole.statuses == ["0", "0"], "\(whole.errors)")
            for split in ["train", "val"] {
                let named = whole.errors[0].filter {
                    $0.hasPrefix("unreadable: rank ") && $0.contains("/\(split)/bee/damaged.jpg: ")
                }
                #expect(named.count == 1, "\(whole.errors)")
            }
            #expect(whole.errors[0].contains { $0.hasPrefix("unreadable: 2 images so far") })
            #expect(whole.errors[1].isEmpty)
            for limit in [0, 1] {
                let ended = try run.trainTogether("--limit-unreadable \(limit) --out \(run.folder)/\(limit)")
                #expect(ended.statuses == ["65", "65"], "\(ended.errors)")
                for rank in 0..<2 {
                    let last = try #require(ended.errors[rank].last)
                    #expect(last.hasPrefix("tapestry: rank \(rank) of 2: ") && last.contains("/damaged.jpg: "))
                    #expect(last.hasSuffix("than the limit of 1") == (limit == 1), "\(last)")
                }
            }
        }
    }
}
#endif

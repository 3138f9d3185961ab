import Foundation
import Testing

/// A command line that cannot be done: its exit code, and what its one line must name.
private struct Refusal: CustomTestStringConvertible {
    let line: String
    let status: Int32
    let words: [String]

    init(_ line: String, _ status: Int32, _ words: String...) {
        (self.line, self.status, self.words) = (line, status, words)
    }

    var testDescription: String { line }

    static let all = [
        Refusal("nope", 64, "nope"),
        Refusal("count", 64, "--arch"),
        Refusal("count --nope", 64, "--nope"),
        Refusal("count --arch ask/vgg12", 64, "ask/vgg12", "ask/vgg11", "tapestry archs"),
        Refusal("count --arch ask/resnet21", 64, "ask/resnet21"),
        Refusal("count --arch ask/vgg11 model.safetensors", 64, "--arch"),
        Refusal("count --arch ask/vgg11 --method nope:1", 64, "nope", "ask"),
        Refusal("count --arch ask/vgg11 --method ask:ASK_9", 64, "ASK_9", "ASK_5a"),
        Refusal("count --arch ask/vgg11 --method ask:[[1,10]]", 64, "10"),
        Refusal("count --arch ask/vgg11 --method ask:[[0]]", 64, "0"),
        Refusal("count --arch ask/vgg11 --method ask:[[]]", 64, "empty"),
        Refusal("count --arch ask/vgg11 --method ask:[]", 64, "at least one"),
        Refusal("count --arch ask/vgg11 --method ask:[[5,5]]", 64, "twice"),
        Refusal("count --arch ask/vgg11 --method ask:[[5],[5],[5]]", 64, "do not divide", "feature.0"),
        Refusal("count --arch ask/vgg11 --image-size 8", 64, "--image-size 8", "larger"),
        Refusal("count --arch ask/vgg11 --image-size 0", 64, "--image-size"),
        Refusal("count --arch ask/vgg11 --classes many", 64, "--classes"),
        Refusal("count --arch ask/vgg11 --channels 99999999", 64, "--channels"),
        Refusal("count --arch ask/vgg11 --against ask/vgg12", 64, "ask/vgg12"),
        Refusal("count --arch hetconv/vgg16 --corrected", 64, "hetconv/vgg16 takes no --corrected"),
        Refusal("count --arch shift/resnet20 --reduction-mode block", 64, "--reduction-mode", "give that too"),
        Refusal("count --arch shift/resnet20 --reduction 2 --method shift:3", 64, "layer1.0", "shift:E"),
        Refusal("count --arch shift/resnet20 --reduction 2 --method depthwise:1", 64, "layer1.0", "depthwise:R"),
        Refusal("count --arch acnet/lenet5 --method shift:3", 64, "stem.conv1.conv", "padding"),
        Refusal("count --arch no-such.safetensors", 66, "no-such.safetensors"),
        Refusal("count no-such-file", 66, "no-such-file"),
        Refusal("count /dev/null", 65, "/dev/null"),
        Refusal("count --arch ask/vgg11 --method-config no-such.yaml", 66, "no-such.yaml"),
        Refusal("show no-such-file", 66, "no-such-file"),
        Refusal("show /", 65, "/"),
        Refusal("data verify --data /no-such-folder", 66, "/no-such-folder"),
        Refusal("data verify --data . --dataset svhn", 64, "svhn", "cifar10"),
        Refusal("count --arch ask/vgg11 --classes 65537", 64, "--classes", "65,536"),
        Refusal("help nope", 64, "nope", "tapestry help"),
        Refusal("help data nope", 64, "nope"),
        Refusal("evaluate m --data . --batch-size 9223372036854775807", 64, "--batch-size", "1,000,000"),
        Refusal("evaluate m --data . --threads 3000000000", 64, "--threads", "65,536"),
        Refusal("train", 64, "--arch"),
        Refusal("train --arch ask/vgg11", 64, "--data"),
        Refusal("train --resume", 64, "--out"),
        Refusal("train --arch ask/vgg11 --data . --lr 0", 64, "--lr"),
        Refusal("train --arch ask/vgg11 --data . --lr nan", 64, "--lr"),
        Refusal("train --arch ask/vgg11 --data . --device gpu", 64, "gpu", "cuda"),
        Refusal("train --arch ask/vgg11 --data . --precision fp8", 64, "fp8", "bf16"),
        Refusal("train --arch ask/vgg11 --data . --precision tf32", 64, "--device cuda"),
        Refusal("evaluate m --data . --engine torch:tf32", 64, "--device cuda"),
        Refusal("evaluate m --data . --engine native:tf32", 64, "--device cuda"),
        Refusal("bench --arch ask/resnet8 --precision tf32", 64, "--device cuda"),
        Refusal("predict-cost --arch ask/resnet8 --precision tf32", 64, "--device cuda"),
        Refusal("train --arch ask/vgg11 --data . --set rate", 64, "rate"),
        Refusal("train --arch ask/vgg11 --data . --threads 0", 64, "--threads"),
        Refusal("evaluate", 64, "models"),
        Refusal("evaluate m.safetensors", 64, "--data"),
        Refusal("evaluate m.safetensors --data . --normalize zero", 64, "--normalize", "imagenet"),
        Refusal("evaluate m --data . --engine jax", 64, "native, torch or reference"),
        Refusal("evaluate m --data . --engine native:fp8", 64, "fp32 and bf16"),
        Refusal("evaluate m --data . --engine native:bf16:", 64, "native, torch or reference"),
        Refusal("evaluate m --data . --engine reference:bf16", 64, "double precision"),
        Refusal("evaluate m --data . --engine reference --precision bf16", 64, "double precision"),
        Refusal("evaluate m --data . --engine native:fp32 --precision bf16", 64, "--precision"),
        Refusal("evaluate m --data . --engine native --device cuda", 64, "--device", "--engine torch"),
        Refusal("predict m cat.png --engine native,native:bf16", 64, "native, torch or reference"),
        Refusal("validate m --data .", 64, "m is to be compared with itself", "--engine"),
        Refusal("validate m --data . --engine native,native --precision bf16", 64, "compared with itself"),
        Refusal("validate m n", 64, "--data"),
        Refusal("validate m n --data . --engine native,reference,native", 64, "one engine or two"),
        Refusal("validate m n --data . --engine native,", 64, "native, torch or reference"),
        Refusal("validate m n --data /no-such-folder", 66, "/no-such-folder"),
        Refusal("report", 64, "runs"),
        Refusal("report no-such-folder", 66, "no-such-folder"),
        Refusal("report . -o report.pdf", 64, "report.pdf", ".html", ".svg"),
        Refusal("report . -o html", 64, ".html"),
        Refusal("predict", 64, "model"),
        Refusal("predict m.safetensors", 64, "images"),
        Refusal("predict no-such-model cat.png", 66, "no-such-model"),
        Refusal("predict m.safetensors cat.png --top 0", 64, "--top"),
        Refusal("predict m.safetensors cat.png --normalize zero", 64, "--normalize", "imagenet"),
    ]
}

@Suite("Refusals")
struct FailureTests {
    @Test("end with a code and one line", arguments: Refusal.all)
    fileprivate func refusal(_ refusal: Refusal) throws {
        let outcome = try Program.shell(
            "\"$tapestry\" \(refusal.line.replacing("[", with: "\\[").replacing("]", with: "\\]"))")
        #expect(outcome.status == refusal.status)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errorLines.filter { !$0.hasPrefix("reading ") }
        #expect(lines.count == 1)
        for word in refusal.words { #expect(lines.first?.contains(word) == true, "\(outcome.errors)") }
    }

    @Test(
        "A method file's mistakes are named by file and line",
        arguments: [
            ("- layers: \"*\"\n  methode: ask:ASK_2\n", ":2:", "methode"),
            ("- layers: \"*\"\n  method: ask:ASK_9\n", ":2:", "ASK_9"),
            ("- layers: \"*\"\n  ask: [[1, a]]\n", ":2:", "tap sets"),
            ("- layers: \"*\"\n- method: dense\n", ":1:", "method"),
            ("- layers: \"*\"\n  method: dense\n  ask: ASK_2\n", ":1:", "either"),
            ("layers: \"*\"\n", ":1:", "list"),
            ("", "", "list"),
            ("- [\n", "", "shapes.yaml"),
            ("- layers: nothing.*\n  method: ask:ASK_2\n", "", "nothing.*"),
            ("- layers: conv1\n  ask: [[5], [5], [5]]\n", "", "do not divide"),
        ])
    func methodFile(text: String, line: String, word: String) throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/shapes.yaml"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let outcome = try Program.run("count", "--arch", "ask/resnet20", "--method-config", path)
            #expect(outcome.status == 65)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("\(path)\(line)"), "\(outcome.errors)")
            #expect(outcome.errors.contains(word), "\(outcome.errors)")
        }
    }

    @Test(
        "Without libtorch, training says what is missing and how to get it", .enabled { try !hasLibtorch() },
        arguments: ["train --arch ask/vgg11 --data .", "evaluate m.safetensors --data . --engine torch", "demo"])
    func withoutLibtorch(line: String) throws {
        let outcome = try Program.shell("\"$tapestry\" \(line)")
        #expect(outcome.status == 69)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.contains("./dev setup"))
    }

    private static func hasLibtorch() throws -> Bool {
        struct Report: Decodable {
            struct Libtorch: Decodable { let version: String }
            let libtorch: Libtorch?
        }
        return try Program.run("doctor", "--json").json(as: Report.self).libtorch != nil
    }

    @Test func fullDiskIsExit74() throws {
        let outcome = try Program.shell("\"$tapestry\" count --arch ask/vgg11 > /dev/full")
        #expect(outcome.status == 74)
        #expect(outcome.errorLines.count == 1)
    }

    @Test func readerThatLeavesEarlyIsNoFailure() throws {
        let outcome = try Program.shell(
            "set -o pipefail; for i in {1..20}; do \"$tapestry\" count --arch ask/resnet56 --json | head -n 1; done")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
        #expect(outcome.output == String(repeating: "{\n", count: 20))
    }

    /// A file that a command opens must not take a closed descriptor's number.
    @Test(arguments: ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
    func closedDescriptorsAreNoFailure(closed: String) throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/model.safetensors"
            try ModelFixtures.write(path)
            let before = try Data(contentsOf: URL(filePath: path))
            for command in ["archs", "show \(path)"] {
                let outcome = try Program.shell("\"$tapestry\" \(command) \(closed)")
                #expect(outcome.status == 0)
                #expect(outcome.errors.isEmpty)
            }
            #expect(try Data(contentsOf: URL(filePath: path)) == before)
        }
    }

    @Test func closedStandardErrorIsNoFailure() throws {
        #expect(try Program.shell("\"$tapestry\" archs 2>&-").status == 0)
        #expect(try Program.shell("\"$tapestry\" count 2>&-").status == 64)
    }
}

import Foundation
import TapestryCore
import TapestryFormats
import Testing

/// The examples of programs that only run networks, built as their readers would build them.
@Suite("Embedding") struct EmbeddingTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path()

    /// Calls `body` with a folder in which are a model, an image of its size, and the class that it is of by the
    /// reference interpreter.
    private func withModel(_ body: (_ folder: String, _ answer: String) throws -> Void) throws {
        try TemporaryFolder.with { folder throws in
            let names = (0..<10).map { "class number \($0)" }
            try ModelFixtures.write(
                "\(folder)/model.safetensors",
                facts: ["normalization": "ask", NameList.classNames.key: NameList.classNames.text(names)])
            let pixels = (0..<32 * 32 * 3).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
            try AtomicFile.write(Array("P6\n32 32\n255\n".utf8) + pixels, to: "\(folder)/image.ppm")
            let model = try ModelFile.read("\(folder)/model.safetensors")
            let input = try Normalization.preset("ask", channels: 3).input(pixels, height: 32, width: 32)
            let logits = try ReferenceInterpreter(model.graph, weights: model.weights)(input.map(Double.init)).elements
            try body(folder, names[logits.indices.max { logits[$0] < logits[$1] }!] + "\n")
        }
    }

    @Test(arguments: [
        "-L$library/lib -ltapestry -Wl,-rpath,$library/lib", "$library/lib/libtapestry.a -lstdc++ -lm",
    ])
    func inC(libraries: String) throws {
        try withModel { folder, answer throws in
            let outcome = try Program.shell(
                """
                set -e; library=\(folder)/library
                '\(Self.root)/Scripts/library' "${tapestry%/*}/libTapestryCInterface.a" "$library"
                cc -std=c11 -Wall -Wextra -Werror -I"$library/include" \
                    '\(Self.root)/Examples/ClassifyImageInC/classify.c' \(libraries) -o \(folder)/classify
                cd \(folder); ./classify model.safetensors image.ppm; ! ./classify image.ppm image.ppm
                """)
            #expect(outcome.status == 0 && outcome.output == answer, "\(outcome.errors)")
            #expect(outcome.errors.contains("image.ppm: at byte 0: expected a header length"), "\(outcome.errors)")
        }
    }

    /// Linked statically and stripped it is no larger than 15 MB.
    @Test func inSwift() throws {
        try withModel { folder, answer throws in
            let build = try Program.shell(
                "swift build -c release --static-swift-stdlib -Xlinker -s --product ClassifyImage"
                    + " --package-path '\(Self.root)/Examples/ClassifyImage' --scratch-path \(folder)/build")
            #expect(build.status == 0, "\(build.output)\(build.errors)")
            let outcome = try Program.shell(
                "cd \(folder); build/release/ClassifyImage model.safetensors image.ppm; stat -Lc %s build/release/ClassifyImage"
            )
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.first == answer.dropLast() && lines.count == 2, "\(outcome.errors)")
            #expect(try Int(#require(lines.last))! < 15_000_000)
        }
    }
}

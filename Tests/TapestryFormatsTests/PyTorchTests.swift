import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct PyTorchTests {
    private static let protocols = [2, 3, 4, 5]

    private func expect(
        _ checkpoint: PyTorchCheckpoint, toHold part: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let held = try HeldTensor.all(part)
        try #require(!held.isEmpty)
        #expect(checkpoint.tensors.map(\.name) == held.map(\.name), sourceLocation: sourceLocation)
        for (entry, held) in zip(checkpoint.tensors, held) {
            #expect(entry.tensor.shape.dimensions == held.shape, "\(held.name)", sourceLocation: sourceLocation)
            #expect(entry.tensor.numbers == held.values, "\(held.name)", sourceLocation: sourceLocation)
            #expect(checkpoint.typeNames[held.name] == held.type, "\(held.name)", sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: protocols, [PyTorchCheckpoint.Container.zip, .legacy])
    func tensorsOfEveryTypeAndLayoutAreRead(number: Int, container: PyTorchCheckpoint.Container) throws {
        let name = "pytorch/\(container)-protocol\(number).pt"
        let checkpoint = try PyTorchCheckpoint.read(Fixture.path(name))
        #expect(checkpoint.container == container)
        try expect(checkpoint, toHold: "state")
        #expect(checkpoint.facts.isEmpty)
    }

    @Test(arguments: ["zip", "legacy"], [2, 4])
    func whatATrainingProgramSavesIsFoundBesideTheStateDict(container: String, number: Int) throws {
        let name = "pytorch/training-\(container)-protocol\(number).pth.tar"
        let checkpoint = try PyTorchCheckpoint.read(Fixture.path(name))
        try expect(checkpoint, toHold: "training")
        let expected: [String: PyTorchCheckpoint.Fact] = [
            "epoch": .integer(7), "acc": .real(91.5), "best_prec1": .real(88.25), "count": .integer(3),
            "done": .boolean(true), "arch": .text("résnet"), "best": .real(0.75), "loss": .real(0.5),
            "step": .integer(-9), "args.lr": .real(0.125), "args.deep.seed": .integer(1 << 40),
        ]
        #expect(checkpoint.facts == expected)
    }

    @Test(arguments: ["module-zip.pt", "module-legacy.pt"])
    func aNetworkPickledWholeGivesItsStateDict(name: String) throws {
        let checkpoint = try PyTorchCheckpoint.read(Fixture.path("pytorch/\(name)"))
        try expect(checkpoint, toHold: "module")
        #expect(checkpoint.facts == ["acc": .real(93.25), "epoch": .integer(12)])
    }

    @Test func aNetworkOfPython2AndPyTorch03GivesItsStateDict() throws {
        let checkpoint = try PyTorchCheckpoint.read(Fixture.path("pytorch/python2.t7"))
        try expect(checkpoint, toHold: "python2")
        #expect(checkpoint.facts == ["acc": .real(93.25), "epoch": .integer(12)])
    }

    @Test(arguments: [
        "legacy-protocol2.pt", "legacy-protocol5.pt", "training-legacy-protocol2.pth.tar", "module-legacy.pt",
        "python2.t7",
        "zip-protocol2.pt", "zip-protocol4.pt", "module-zip.pt",
    ])
    func everyTruncationIsRefusedAndDamageSurvived(name: String) throws {
        let directory = try TemporaryDirectory()
        func read(_ bytes: [UInt8]) throws {
            _ = try PyTorchCheckpoint.read(try directory.write(bytes, to: "f.pt"))
        }
        let bytes = try Fixture.bytes("pytorch/\(name)")
        try read(bytes)
        #expect(Damage.truncationsAccepted(of: bytes, by: read) == [])
        #expect(Damage.flip(bytes, for: .milliseconds(300), expecting: FormatError.self, by: read).isEmpty)
    }

    /// Flips where they tell: in the pickle, whose opcodes then mean something else.
    @Test(arguments: ["legacy-protocol2.pt", "training-legacy-protocol4.pth.tar", "python2.t7"])
    func damagedPicklesAreRefusedOrRead(name: String) throws {
        let directory = try TemporaryDirectory()
        let bytes = try Fixture.bytes("pytorch/\(name)")
        try RandomRounds.run(for: .milliseconds(500)) { random in
            var damaged = bytes
            for _ in 0...random.integer(below: 2) {
                damaged[random.integer(below: min(bytes.count, 3000))] = UInt8(truncatingIfNeeded: random.next())
            }
            let path = try directory.write(damaged, to: "f.pt")
            do { _ = try PyTorchCheckpoint.read(path) } catch is FormatError {}
        }
    }
}

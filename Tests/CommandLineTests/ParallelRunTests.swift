#if TAPESTRY_LIBTORCH
import Foundation
import TapestryTestSupport
import Testing

/// Runs of several processes of the built program, on the loopback address and between network namespaces.
@Suite("Parallel runs", .serialized) struct ParallelRunTests {
    /// What each process of a run came to, by rank.
    struct Processes {
        let statuses: [Int32]
        let errors: [String]
    }

    /// Trains with so many processes; `meanwhile` is bash in which `${pids[1]}` is the process of rank 1. `prefix` and
    /// `address` put each in a namespace of its own.
    private func train(
        _ run: SmallRun, processes count: Int, _ options: String, meanwhile: String = "",
        prefix: (Int) -> String = { _ in "" }, address: String = "127.0.0.1"
    ) throws -> Processes {
        let port = try freeLoopbackPort()
        let starts = (0..<count).map { rank in
            """
            \(prefix(rank)) env RANK=\(rank) WORLD_SIZE=\(count) MASTER_ADDR=\(address) MASTER_PORT=\(port) \
            "$tapestry" train \(run.options) \(options) 2> \(run.folder)/errors\(rank) >/dev/null & pids+=($!)
            """
        }
        let waits = "for pid in ${pids[@]}; do wait $pid 2>/dev/null; echo $?; done"
        let outcome = try run.shell(
            (["pids=(); before=$(stat -c %s \(run.folder)/cut/metrics.jsonl 2>/dev/null)"] + starts + [
                meanwhile, waits,
            ]).joined(separator: "\n"))
        return Processes(
            statuses: outcome.output.split(separator: "\n").compactMap { Int32($0) },
            errors: try (0..<count).map {
                try String(contentsOfFile: "\(run.folder)/errors\($0)", encoding: .utf8)
            })
    }

    /// Bash that waits until a run has recorded an epoch, after those that it has when it is started, or has ended.
    private func untilRecorded(_ run: SmallRun, _ name: String) -> String {
        let size = "$(stat -c %s \(run.folder)/\(name)/metrics.jsonl 2>/dev/null)"
        return "while kill -0 ${pids[0]} 2>/dev/null && [ \"$before\" = \"\(size)\" ]; do sleep 0.05; done"
    }

    /// With batches that do not divide, and a last one of a single image, of which most processes have nothing.
    @Test func theLossIsThatOfOneProcess() throws {
        try SmallRun.with { run throws in
            let options = "--epochs 2 --limit-train 97 --lr 1e-3 --sync-batch-norm --set gradient-clip=5"
            #expect(try run.train(out: "1", options).status == 0)
            for name in ["2", "2again", "4"] {
                let count = Int(String(name.first!))!
                let processes = try train(run, processes: count, "\(options) --out \(run.folder)/\(name)")
                #expect(processes.statuses == Array(repeating: 0, count: count), "\(processes.errors)")
                #expect(processes.errors.dropFirst().allSatisfy { $0.isEmpty })
                #expect(processes.errors[0].contains("\(count) processes add up gradients in shared memory"))
                let speed = try #require(processes.errors[0].split(separator: "\n").last { $0.hasPrefix("epoch 2") })
                #expect(speed.split(separator: " + ").count == count)
                for (ours, theirs) in zip(try run.metrics(name), try run.metrics("1")) {
                    #expect(abs(ours.trainLoss! - theirs.trainLoss!) < 1e-5 * theirs.trainLoss!)
                    #expect(abs(ours.testLoss! - theirs.testLoss!) < 1e-4 * theirs.testLoss!)
                    // An image on the edge may fall to the other side.
                    #expect(abs(ours.trainTop1! - theirs.trainTop1!) < 2 && abs(ours.testTop5! - theirs.testTop5!) < 3)
                }
            }
            #expect(try run.digest("2/last.safetensors") == run.digest("2again/last.safetensors"))
            let other = try run.shell("$tapestry train --resume --out \(run.folder)/2")
            #expect(other.status == 64 && other.errors.contains("processes"))
        }
    }

    /// Batch norms by themselves; the statistics that are kept are those of rank 0.
    @Test func killedAndResumedIsBitIdentical() throws {
        try SmallRun.with { run throws in
            let options = "--epochs 12 --resume --set ema-decay=0.9 --timeout 20"
            #expect(try train(run, processes: 2, "\(options) --out \(run.folder)/whole").statuses == [0, 0])
            let cut = "\(options) --out \(run.folder)/cut"
            let killed = try train(
                run, processes: 2, cut, meanwhile: "\(untilRecorded(run, "cut")); kill -KILL ${pids[1]}")
            #expect(killed.statuses == [75, 137])
            #expect(killed.errors[0].split(separator: "\n").last?.contains("rank 0 of 2: lost another process") == true)
            let stopped = try train(
                run, processes: 2, cut, meanwhile: "\(untilRecorded(run, "cut")); kill -TERM ${pids[1]}")
            #expect(stopped.statuses == [75, 75] || stopped.statuses == [0, 0])
            #expect(try train(run, processes: 2, cut).statuses == [0, 0])
            #expect(try run.digest("whole/last.safetensors") == run.digest("cut/last.safetensors"))
            #expect(try run.metrics("whole") == run.metrics("cut"))
        }
    }

    @Test func whoHangsIsMissed() throws {
        try SmallRun.with { run throws in
            let processes = try train(
                run, processes: 2, "--epochs 100000 --timeout 3 --out \(run.folder)/run",
                meanwhile: """
                    \(untilRecorded(run, "run")); kill -STOP ${pids[1]}; wait ${pids[0]}; echo $?; kill -KILL ${pids[1]}
                    """)
            #expect(processes.statuses.first == 75)
            #expect(processes.errors[0].contains("rank 0 of 2: lost another process"))
        }
    }

    @Test func whoDoesNotComeIsMissed() throws {
        try SmallRun.with { run throws in
            for rank in [0, 1] {
                let outcome = try Program.run(
                    ["train", "--arch", "ask/resnet8", "--data", "\(run.folder)/data", "--timeout", "1"],
                    environment: [
                        "RANK": "\(rank)", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                        "MASTER_PORT": "\(try freeLoopbackPort())",
                    ])
                #expect(outcome.status == 69)
                #expect(outcome.errorLines.count == 1 && outcome.errors.contains("could not meet"))
            }
            let lost = try Program.run(
                ["train", "--arch", "ask/vgg11", "--data", "."], environment: ["WORLD_SIZE": "2"])
            #expect(lost.status == 64 && lost.errors.contains("RANK"))
        }
    }

    // MARK: - Hosts

    private static let canMakeNamespaces =
        (try? Program.shell("ip netns add tapestry-probe && ip netns delete tapestry-probe"))?.status == 0

    /// Two namespaces with addresses of their own stand for two machines; the cable between them is cut.
    @Test(.enabled(if: canMakeNamespaces, "network namespaces cannot be made here"))
    func aDeadLinkIsNoticedByBoth() throws {
        let name = "tap\(UInt16.random(in: 0...UInt16.max))"
        defer { _ = try? Program.shell("ip netns delete \(name)a; ip netns delete \(name)b") }
        let made = try Program.shell(
            """
            set -e; ip netns add \(name)a; ip netns add \(name)b; ip link add \(name)x type veth peer name \(name)y
            ip link set \(name)x netns \(name)a; ip link set \(name)y netns \(name)b
            ip -n \(name)a address add 192.0.2.1/24 dev \(name)x; ip -n \(name)b address add 192.0.2.2/24 dev \(name)y
            ip -n \(name)a link set \(name)x up; ip -n \(name)b link set \(name)y up
            ip -n \(name)a link set lo up; ip -n \(name)b link set lo up
            """)
        try #require(made.status == 0, "\(made.errors)")
        try SmallRun.with { run throws in
            let processes = try train(
                run, processes: 2, "--epochs 100000 --timeout 4 --out \(run.folder)/run",
                meanwhile: "\(untilRecorded(run, "run")); ip -n \(name)a link set \(name)x down",
                prefix: { "ip netns exec \(name)\($0 == 0 ? "a" : "b")" }, address: "192.0.2.1")
            #expect(processes.statuses == [75, 75], "\(processes.errors)")
            for errors in processes.errors { #expect(errors.contains("lost another process")) }
            #expect(
                processes.errors[0].contains("by Gloo, through the network (no shared memory: rank 1 is on another"))
        }
    }
}
#endif

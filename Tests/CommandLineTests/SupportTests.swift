import Foundation
import Testing
import TapestryCommandLine

@Suite("Threads and control groups")
struct ThreadBudgetTests {
    @Test(
        "The least of what is asked for, allowed and limited",
        arguments: [
            (nil, 8, nil, 8), (nil, 8, 2.0, 2), (nil, 8, 2.5, 3), (nil, 8, 0.2, 1), (nil, 2, 64.0, 2), (5, 2, 1.0, 5),
        ] as [(Int?, Int, Double?, Int)])
    func budget(requested: Int?, processors: Int, limit: Double?, expected: Int) {
        #expect(ThreadBudget(requested: requested, processors: processors, limit: limit).count == expected)
    }

    @Test func whatIsSaidAtTheStart() {
        #expect(
            ThreadBudget(requested: nil, processors: 2, limit: nil).line()
                == "threads: 2 (all processors that this process may use), and 1 that loads images and mostly waits")
        #expect(
            ThreadBudget(recorded: 4).line(loading: 3)
                == "threads: 4 (with which the run was started), and 3 that load images and mostly wait")
    }

    @Test func affinityIsReadFromTheMask() {
        #expect(ThreadBudget.affinity(status: "Name:\tx\nCpus_allowed:\tff,ffffffff\nCpus_allowed_list:\t0-39\n") == 40)
        #expect(ThreadBudget.affinity(status: "Cpus_allowed:\t00000005\n") == 2)
        #expect(ThreadBudget.affinity(status: "") == nil)
    }

    private func files(_ texts: [String: String], _ body: (String) throws -> Void) throws {
        try TemporaryFolder.with { folder in
            for (name, text) in texts {
                let file = URL(filePath: "\(folder)/\(name)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            }
            try body(folder)
        }
    }

    @Test func versionTwoTakesTheTightestLimitOnTheWayUp() throws {
        try files(["a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n", "a/b/memory.max": "4096\n"]) {
            mount in
            let group = ControlGroup(membershipText: "0::/a/b\n", mount: mount)
            #expect(group.processorLimit == 1.5)
            #expect(group.memoryLimit == 4096)
        }
    }

    @Test func versionOneReadsQuotaAndPeriod() throws {
        let texts = [
            "cpu,cpuacct/x/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        ]
        try files(texts) { mount in
            let group = ControlGroup(membershipText: "4:cpu,cpuacct:/x\n2:memory:/y\n", mount: mount)
            #expect(group.processorLimit == 3)
            #expect(group.memoryLimit == nil)
        }
    }

    @Test func nothingKnownIsNoLimit() {
        let group = ControlGroup(membershipText: "nonsense\n", mount: "/no-such-folder")
        #expect(group.processorLimit == nil)
        #expect(group.memoryLimit == nil)
    }
}

@Suite("Machine")
struct MachineTests {
    @Test func processorIsReadFromItsFlags() {
        let text =
            "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2 amx_tile\n\nprocessor\t: 1\nmodel name\t: A CPU\n"
        let processor = Processor(information: text)
        #expect(processor.model == "A CPU")
        #expect(processor.features == ["avx2", "amx_tile"])
        #expect(processor.count == 2)
        #expect(!processor.hasBFloat16)
    }

    @Test(arguments: ["flags: avx512_bf16", "flags: amx_bf16", "Features: asimd bf16"])
    func processorsWithBFloat16(text: String) { #expect(Processor(information: text).hasBFloat16) }

    @Test func memoryIsInBytes() {
        let memory = Memory(information: "MemTotal:   16 kB\nMemAvailable:   8 kB\n", limit: 1 << 40)
        #expect(memory.total == 16384)
        #expect(memory.available == 8192)
        #expect(memory.limit == nil)
    }
}

@Suite("Tables and progress")
struct TextTests {
    @Test func columnsAlignWhateverTheCharactersWidth() {
        var table = Table(("name", .left), ("n", .right))
        table.append("é", "1")
        table.append("日本", "22")
        table.rule()
        table.append("", "23")
        #expect(table.text == "name   n\n────  ──\né      1\n日本  22\n────  ──\n      23\n")
    }

    @Test(arguments: [("", 0), ("abc", 3), ("e\u{301}", 1), ("日本", 4), ("🎉", 2), ("×", 1)])
    func displayWidth(text: String, width: Int) { #expect(text.displayWidth == width) }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-14_987_722, "-14,987,722")])
    func grouping(number: Int, text: String) { #expect(number.grouped == text) }

    @Test func progressSaysRateAndTimeLeft() {
        let line = ProgressBar.line(
            title: "epoch 1/2", done: 12_500, total: 50_000, unit: "images", seconds: 10, detail: "loss 2.3")
        #expect(line == "epoch 1/2 ━━━━━━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ 25%  1,250 images/s  30 s left  loss 2.3")
    }

    @Test(arguments: [(0.4, "0 s"), (59.6, "1:00"), (67, "1:07"), (7500, "2:05:00"), (.infinity, "?")])
    func durations(seconds: Double, text: String) { #expect(ProgressBar.duration(seconds) == text) }
}

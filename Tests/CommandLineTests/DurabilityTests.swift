#if TAPESTRY_LIBTORCH
import Foundation
import TapestryFormats
import Testing

/// What happens to a run when files, disks, clocks and other processes do what they should not.
@Suite("Durable runs", .serialized) struct DurabilityTests {
    /// Ways to spoil a file, as commands on `$file`.
    private static let damages = [
        "truncate -s 3000 $file", "truncate -s -1 $file", ": > $file", "rm $file",
        // A bit of the last byte, which is the optimiser's.
        "python3 -c 'import sys; f = open(sys.argv[1], \"r+b\"); f.seek(-1, 2); b = f.read(1)[0] ^ 1; "
            + "f.seek(-1, 2); f.write(bytes([b]))' $file",
    ]

    /// Killed, and then found with a damaged state, a run goes on from the one before and ends in the same bits.
    @Test(arguments: damages) func aDamagedStateFallsBackToTheOneBefore(damage: String) throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "whole", "--epochs", "4").status == 0)
            let killed = try run.shell(
                """
                file=\(run.folder)/cut/state.safetensors
                $tapestry train \(run.options) --epochs 4 --out \(run.folder)/cut & pid=$!
                until [ "$(wc -l < \(run.folder)/cut/metrics.jsonl)" -ge 2 ]; do sleep 0.01; done 2>/dev/null
                kill -KILL $pid; wait $pid 2>/dev/null
                cp $file $file.copy; mv $file.copy $file; \(damage)
                """)
            #expect(killed.status == 0, "\(killed.errors)")
            let resumed = try run.shell("$tapestry train --resume --out \(run.folder)/cut")
            #expect(resumed.status == 0, "\(resumed.errors)")
            let warnings = resumed.errorLines.filter { $0.hasPrefix("warning: ") }
            #expect(warnings.count == 1 && warnings[0].contains("cut/state.safetensors"), "\(resumed.errors)")
            #expect(warnings.first?.contains("going on from the state before") == true)
            for file in ["last", "best", "state"] {
                #expect(try run.digest("whole/\(file).safetensors") == run.digest("cut/\(file).safetensors"))
            }
            // No epoch twice, none left out.
            #expect(try run.metrics("whole") == run.metrics("cut"))
        }
    }

    /// A state of a finished run, too; and a sound state never makes room for a damaged one.
    @Test func whatIsFinishedIsMadeAgain() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "2").status == 0)
            let files = ["last", "state", "state.older"].map { "run/\($0).safetensors" }
            let before = try files.map(run.digest)
            for damaged in [files[0], files[1]] {
                let outcome = try run.shell(
                    "truncate -s 1000 \(run.folder)/\(damaged); $tapestry train --resume --out \(run.folder)/run")
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(outcome.errors.contains("warning: \(run.folder)/\(damaged): "), "\(outcome.errors)")
                #expect(try files.map(run.digest) == before)
            }
        }
    }

    @Test func withoutASoundStateNothingIsTouched() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "1").status == 0)
            let outcome = try run.shell(
                """
                truncate -s 1000 \(run.folder)/run/state*.safetensors
                $tapestry train --resume --out \(run.folder)/run
                """)
            #expect(outcome.status == 65)
            let lines = outcome.errorLines.filter { $0.hasPrefix("tapestry: ") }
            #expect(lines.count == 1 && lines[0].contains("nor the state before"), "\(outcome.errors)")
        }
    }

    @Test func aFlippedBitOfAModelIsNamedByEveryCommand() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "1").status == 0)
            let model = "\(run.folder)/run/last.safetensors"
            let bytes = try Data(contentsOf: URL(filePath: model))
            for (place, name) in [(bytes.count - 1, "tensor 'fc.bias'"), (200, "header"), (7, "header")] {
                var damaged = bytes
                damaged[place] ^= 0x10
                try damaged.write(to: URL(filePath: model))
                for command in ["evaluate --data \(run.folder)/data", "show", "convert -o \(run.folder)/x.safetensors"]
                {
                    let words = command.split(separator: " ", maxSplits: 1)
                    let outcome = try run.shell("$tapestry \(words[0]) \(model) \(words.dropFirst().joined())")
                    #expect(outcome.status == 65)
                    let said = outcome.errorLines.last ?? ""
                    #expect(said.contains(model) && said.contains(name), "\(command): \(outcome.errors)")
                }
            }
        }
    }
}

// MARK: - Processes and clocks

extension DurabilityTests {
    @Test func aFolderIsOneProcessAtATime() throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                """
                $tapestry train \(run.options) --epochs 500 --out \(run.folder)/run & pid=$!
                until [ -e \(run.folder)/run/metrics.jsonl ]; do sleep 0.05; done
                $tapestry train --resume --out \(run.folder)/run; status=$?
                kill -KILL $pid; wait $pid; exit $status
                """)
            #expect(outcome.status == 73)
            #expect(outcome.errors.contains("in use by another process"))
        }
    }

    @Test func ofTwoThatBeginInOneFolderOneIsRefused() throws {
        try SmallRun.with { run throws in
            let command = "$tapestry train \(run.options) --epochs 60 --out \(run.folder)/run"
            let outcome = try run.shell(
                """
                \(command) 2> \(run.folder)/1.log & first=$!
                \(command) 2> \(run.folder)/2.log & second=$!
                wait -n; status=$?; kill -KILL $first $second; cat \(run.folder)/?.log >&2; exit $status
                """)
            // The folder was the other's by then, with or without its configuration.
            #expect([64, 73].contains(outcome.status), "\(outcome.errors)")
            #expect(outcome.errorLines.count { $0.hasPrefix("tapestry: \(run.folder)/run ") } == 1, "\(outcome.errors)")
        }
    }

    /// Whatever the time of day does, durations are those of a clock that only goes on.
    @Test func theTimeOfDayMayJump() throws {
        let source = """
            #define _GNU_SOURCE
            #include <stddef.h>
            #include <sys/syscall.h>
            #include <sys/time.h>
            #include <time.h>
            #include <unistd.h>
            static long jump(void) { static unsigned long n; return (long)(++n * 2654435761u % 2000001) - 1000000; }
            int clock_gettime(clockid_t id, struct timespec *t) {
                int result = syscall(SYS_clock_gettime, id, t);
                if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) t->tv_sec += jump();
                return result;
            }
            int gettimeofday(struct timeval *t, void *zone) {
                struct timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
                return 0;
            }
            time_t time(time_t *t) {
                struct timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                return t ? *t = now.tv_sec : now.tv_sec;
            }
            """
        try SmallRun.with { run throws in
            try source.write(toFile: "\(run.folder)/clock.c", atomically: true, encoding: .utf8)
            let compiled = try run.shell(
                "cd \(run.folder) && $(command -v clang || command -v cc) -shared -fPIC -o clock.so clock.c && "
                    + "LD_PRELOAD=./clock.so python3 -c 'import time; a = time.time(); b = time.time(); assert abs(a - b) > 10'"
            )
            guard compiled.status == 0 else {
                print("SKIPPED: theTimeOfDayMayJump: no clock could be made here: \(compiled.errors)")
                return
            }
            #expect(try run.train(out: "steady", "--epochs", "2").status == 0)
            let outcome = try run.shell(
                """
                export LD_PRELOAD=\(run.folder)/clock.so
                $tapestry train \(run.options) --epochs 2 --out \(run.folder)/jumping
                """)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try run.digest("steady/last.safetensors") == run.digest("jumping/last.safetensors"))
            let epochs = try RunFolder(path: "\(run.folder)/jumping").readMetrics()
            // The jumps are of days.
            #expect(epochs.allSatisfy { (0...10_000).contains($0.training?.seconds ?? -1) })
            #expect(epochs.allSatisfy { (0...10_000).contains($0.test?.seconds ?? -1) })
        }
    }
}

// MARK: - Disks

extension DurabilityTests {
    /// Calls `body` with a folder that is a file system of 2 MB of its own, where the machine allows that.
    private func withSmallDisk(_ test: String, _ body: (SmallRun, _ mount: String) throws -> Void) throws {
        try SmallRun.with { run throws in
            let mount = "\(run.folder)/small"
            guard try run.shell("mkdir \(mount) && mount -t tmpfs -o size=2m none \(mount)").status == 0 else {
                return print("SKIPPED: \(test): this machine lets nobody mount a file system")
            }
            defer { _ = try? run.shell("umount \(mount)") }
            try body(run, mount)
        }
    }

    /// Needs root, for a file system that is nearly full from the start.
    @Test(.enabled(if: geteuid() == 0)) func aFullDiskLosesNothing() throws {
        try withSmallDisk("aFullDiskLosesNothing") { run, mount throws in
            #expect(try run.train(out: "whole", "--epochs", "3").status == 0)
            #expect(try run.train(out: "small/run", "--epochs", "3", "--limit-train 16").status == 0)
            let room = try run.shell("du -sb \(mount)/run | cut -f 1").output.trimmingCharacters(
                in: .whitespacesAndNewlines)
            // Room for half of it: the run comes to its first epochs, or not even there.
            let outcome = try run.shell(
                """
                rm -r \(mount)/run; fallocate -l $((2097152 - \(room) / 2)) \(mount)/ballast
                $tapestry train \(run.options) --epochs 3 --out \(mount)/run; status=$?
                ls \(mount)/run; exit $status
                """)
            #expect(outcome.status == 74, "\(outcome.errors)")
            #expect(outcome.errorLines.last?.contains("free some space") == true)
            #expect(!outcome.output.contains(".tmp"))
            let resumed = try run.shell("rm \(mount)/ballast; $tapestry train --resume --out \(mount)/run")
            #expect(resumed.status == 0, "\(resumed.errors)")
            for file in ["last", "best", "state"] {
                #expect(try run.digest("whole/\(file).safetensors") == run.digest("small/run/\(file).safetensors"))
            }
        }
    }

    @Test(.enabled(if: geteuid() == 0)) func aFolderThatCannotBeWrittenToIsNamed() throws {
        try withSmallDisk("aFolderThatCannotBeWrittenToIsNamed") { run, mount throws in
            #expect(try run.train(out: "small/run", "--epochs", "1").status == 0)
            #expect(try run.shell("mount -o remount,ro \(mount)").status == 0)
            let before = try run.digest("small/run/state.safetensors")
            for command in ["--resume --out \(mount)/run", "\(run.options) --out \(mount)/other"] {
                let outcome = try run.shell("$tapestry train \(command)")
                #expect(outcome.status == 73, "\(outcome.errors)")
                #expect(outcome.errorLines.last?.contains("Read-only file system") == true)
                #expect(outcome.errorLines.last?.hasPrefix("tapestry: \(mount)/") == true)
            }
            #expect(try run.digest("small/run/state.safetensors") == before)
        }
    }
}
#endif

import CFuzz
import Foundation

// The functions that libFuzzer, which has the program's `main`, calls by name.

/// The format that `TAPESTRY_FUZZ_FORMAT` names.
private let format: Format = {
    let name = ProcessInfo.processInfo.environment["TAPESTRY_FUZZ_FORMAT"] ?? ""
    guard let format = Format.all.first(where: { $0.name == name }) else {
        let names = Format.all.map(\.name).joined(separator: " ")
        fatalError("TAPESTRY_FUZZ_FORMAT must be one of: \(names)")
    }
    return format
}()

/// Adds the longest input to libFuzzer's arguments, and writes the seeds into the folder that `TAPESTRY_FUZZ_SEEDS` names.
/// Without a folder, files are only read, at any length.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzerInitialize(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
    let folder = ProcessInfo.processInfo.environment["TAPESTRY_FUZZ_SEEDS"]
    let old = UnsafeBufferPointer(start: arguments.pointee, count: Int(count.pointee))
    let new = UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: old.count + 2)
    _ = new.initialize(from: old + [strdup("-max_len=\(folder == nil ? Int(Int32.max) : format.longest)"), nil])
    arguments.pointee = new.baseAddress!
    count.pointee += 1
    guard let folder else { return 0 }
    do {
        for (index, seed) in try format.seeds().enumerated() {
            try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
        }
    } catch { fatalError("cannot write the seeds: \(error)") }
    return 0
}

/// Reads one input. Whatever else than success or a declared error comes of it is a finding: a trap, a hang, a leak, an
/// error of another type, more memory than twice the input and 64 MiB.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    fuzz_begin_heap_limit(2 * count + 64 << 20)
    defer { fuzz_end_heap_limit() }
    let input = Input(buffer: UnsafeBufferPointer(start: data, count: count))
    do { try format.read(input) } catch { input.check(error) }
    return 0
}

/// Changes an input as libFuzzer would, and then mostly sets right the checksum or length that would give it away.
@_cdecl("LLVMFuzzerCustomMutator")
public func fuzzerMutate(_ data: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int, _ seed: UInt32) -> Int {
    let changed = LLVMFuzzerMutate(data, count, capacity)
    if !seed.isMultiple(of: 4) { format.repair(UnsafeMutableBufferPointer(start: data, count: changed)) }
    return changed
}

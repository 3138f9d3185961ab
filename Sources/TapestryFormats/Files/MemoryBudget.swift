/// How much a file may make its reader allocate and read, whatever it says: every part of a reader charges what it is about
/// to do, and the charge that goes too far is refused.
final class MemoryBudget {
    private let file: String
    private let limit: Int
    private var left: Int
    private var readingLeft: Int

    /// What is added to twice the file's size. With the program's own memory it stays below 64 MB.
    private static let allowance = 40 << 20

    init(file: String, size: Int) {
        self.file = file
        limit = Self.sum(Self.allowance, size, times: 2)
        left = limit
        // Tensors may share their storages, each at the price of reading it again.
        readingLeft = Self.sum(Self.allowance, size, times: 32)
    }

    /// Throws: `FormatError` if what was charged so far and `bytes` more are over the limit.
    func charge(_ bytes: Int) throws {
        guard bytes <= left else {
            throw FormatError(
                file: file, reason: "expected contents that fit in \(limit) bytes of memory, found more")
        }
        left -= bytes
    }

    /// Throws: `FormatError` if the file's bytes would be read over and over.
    func charge(reading bytes: Int) throws {
        guard bytes <= readingLeft else {
            throw FormatError(
                file: file, reason: "expected tensors apart from each other, found the same bytes in many")
        }
        readingLeft -= bytes
    }

    private static func sum(_ allowance: Int, _ size: Int, times factor: Int) -> Int {
        let (product, isHuge) = size.multipliedReportingOverflow(by: factor)
        let (sum, isHuger) = product.addingReportingOverflow(allowance)
        return isHuge || isHuger ? .max : sum
    }
}

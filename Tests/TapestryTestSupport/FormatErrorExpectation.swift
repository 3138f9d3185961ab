import TapestryModelFile
import Testing

/// Expects `body` to throw a `FormatError` at `offset` whose reason contains `reason`.
public func expectFormatError(
    at offset: Int? = nil, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("expected an error with '\(reason)', found none", sourceLocation: sourceLocation)
    } catch let error as FormatError {
        #expect(error.reason.contains(reason), sourceLocation: sourceLocation)
        #expect(error.offset == offset, sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected a FormatError, found \(error)", sourceLocation: sourceLocation)
    }
}

import TapestryCore
import TapestryData
import TapestryFormats

extension Model {
    /// How the images of the model file at `path` are to be normalised: as `asked`, or as the file says; nil where
    /// neither does.
    ///
    /// Throws: `FormatError` where the file says what cannot be, `DataError` where what is asked for cannot.
    func normalization(asked: String?, path: String, channels: Int) throws -> Normalization? {
        if let asked { return try Normalization.preset(asked, channels: channels) }
        guard let recorded = facts["normalization"] else { return nil }
        do { return try Normalization.preset(recorded, channels: channels) } catch {
            throw FormatError(file: path, reason: "\(error); --normalize overrides what the file says")
        }
    }

    /// How images come to the network's size, by the facts of the model file at `path`; nil where it does not say.
    ///
    /// Throws: `FormatError` where the file says what cannot be.
    func inputSizing(path: String) throws -> InputSizing? {
        do { return try InputSizing(facts: facts) } catch { throw FormatError(file: path, reason: error.reason) }
    }

    /// A name for each of so many classes, by the facts of the model file at `path`; "class 3" for one without.
    ///
    /// Throws: `FormatError` where the file names more.
    func classNames(count: Int, path: String) throws -> [String] {
        let names = try ClassNames.read(facts, path: path) ?? []
        guard names.count <= count else {
            throw FormatError(
                file: path, reason: "its metadata \"\(ClassNames.key)\" names \(names.count) classes, of \(count)")
        }
        return (0..<count).map { $0 < names.count ? names[$0] : "class \($0)" }
    }
}

import Foundation

/// The committed files under Tests/Fixtures.
public enum Fixture {
    /// The place of `name`, a path relative to Tests/Fixtures.
    public static func url(_ name: String, of source: String = #filePath) -> URL {
        URL(fileURLWithPath: source).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures").appendingPathComponent(name)
    }

    public static func path(_ name: String) -> String { url(name).path }

    public static func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: url(name))) }
}

import Foundation

/// Where Tapestry keeps what it could find out again.
public enum CacheFolder {
    /// `TAPESTRY_HOME`, or where caches of this user are.
    public static func path(environment: [String: String] = ProcessInfo.processInfo.environment) -> String {
        if let named = environment["TAPESTRY_HOME"], !named.isEmpty { return named }
        let caches =
            environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache").path
        return "\(caches)/tapestry"
    }
}

import Foundation
import Synchronization

/// Notices SIGINT and SIGTERM, so that a run can finish its step, save and leave. A second signal ends the process at
/// once, as it would without this.
public enum Interruption {
    private static let flag = Atomic<Bool>(false)

    public static var isRequested: Bool { flag.load(ordering: .relaxed) }

    public static func listen() {
        // Made here, lest the handler be the first to do so.
        flag.store(false, ordering: .relaxed)
        for number in [SIGINT, SIGTERM] {
            signal(number) { received in
                Interruption.flag.store(true, ordering: .relaxed)
                signal(received, SIG_DFL)
            }
        }
    }
}

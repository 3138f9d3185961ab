import Foundation

extension Double {
    /// With so many digits after the point.
    func decimals(_ count: Int) -> String { String(format: "%.\(count)f", self) }

    /// With so many significant digits, as C's %g writes it.
    func significant(_ digits: Int) -> String { String(format: "%.\(digits)g", self) }

    /// A percentage to two digits: "91.25 %".
    var percent: String { "\(decimals(2)) %" }
}

import Foundation

extension Double {
    /// With so many digits after the point.
    package func decimals(_ count: Int) -> String { String(format: "%.\(count)f", self) }

    /// With so many significant digits, as C's %g writes it.
    package func significant(_ digits: Int) -> String { String(format: "%.\(digits)g", self) }

    /// The whole part with its digits in groups of three; of numbers beyond any count, four digits and the exponent.
    package var groupedWhole: String { Int(exactly: rounded(.towardZero))?.grouped ?? significant(4) }

    /// A percentage to two digits: "91.25 %".
    package var percent: String { "\(decimals(2)) %" }
}

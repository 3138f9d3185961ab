import TapestryCore
import TapestryTestSupport
import Testing

struct ShiftConformanceTests {
    @Test func theTableIsWhole() throws { #expect(try ShiftCase.all().count == 16) }

    @Test(arguments: try! ShiftCase.all())
    func publishedShiftsToTheBit(shift: ShiftCase) throws {
        let tensors = try shift.tensors()
        let x = try #require(tensors["x"])
        let interpreter = try ReferenceInterpreter(try shift.graph(), weights: Weights())
        #expect(try interpreter(x.map(Double.init)).map { Float($0) } == tensors["y"])
    }
}

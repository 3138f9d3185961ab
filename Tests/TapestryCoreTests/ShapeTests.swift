import Foundation
import TapestryCore
import Testing

struct ShapeTests {
    @Test func countRankAndText() {
        let shape: Shape = [16, 3, 3, 3]
        #expect(shape.count == 432)
        #expect(shape.rank == 4)
        #expect(shape[1] == 3)
        #expect("\(shape)" == "16x3x3x3")
        #expect(Shape([]).count == 1)
        #expect("\(Shape([]))" == "scalar")
        #expect(Shape([5, 0]).count == 0)
    }

    @Test func checkedCountSeesOverflow() {
        #expect(Shape([.max, 1]).checkedCount == .max)
        #expect(Shape([1 << 31, 1 << 31]).checkedCount == 1 << 62)
        #expect(Shape([1 << 32, 1 << 31]).checkedCount == nil)
        #expect(Shape([.max, .max, .max]).checkedCount == nil)
        #expect(Shape([]).checkedCount == 1)
    }

    @Test func jsonRoundTrip() throws {
        let shape: Shape = [3, 0, 7]
        let text = try JSONEncoder().encode(shape)
        #expect(String(decoding: text, as: UTF8.self) == "[3,0,7]")
        #expect(try JSONDecoder().decode(Shape.self, from: text) == shape)
        for wrong in ["[-1]", "[1.5]", "[9223372036854775808]", "3", "[null]"] {
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(Shape.self, from: Data(wrong.utf8)) }
        }
    }

    @Test func tensorsKeepElementsAndShape() {
        let tensor = Tensor<Int>(shape: [2, 3], elements: [1, 2, 3, 4, 5, 6])
        #expect(tensor.reshaped(to: [6]).elements == tensor.elements)
        #expect(tensor.map { $0 * 2 } == Tensor(shape: [2, 3], elements: [2, 4, 6, 8, 10, 12]))
        #expect(Tensor<Int>(shape: [0, 3], repeating: 1).elements.isEmpty)
    }
}

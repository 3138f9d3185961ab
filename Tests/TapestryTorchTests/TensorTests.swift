import CTapestryTorch
import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Tensors") struct Tensors {
        @Test func hostCopiesComeBackAsTheyWent() throws {
            let reals = Tensor<Float>(shape: [2, 3], elements: [0, -0.5, 1, .infinity, .leastNonzeroMagnitude, 7])
            #expect(try TorchTensor(reals).host() == reals)
            let doubles = random([3, 1, 2], key: 9)
            #expect(try TorchTensor(doubles).host(Double.self) == doubles)
            let longs = Tensor<Int64>(shape: [2], elements: [.min, .max])
            #expect(try TorchTensor(longs).host(Int64.self) == longs)
            let bytes = Tensor<UInt8>(shape: [3], elements: [0, 128, 255])
            #expect(try TorchTensor(bytes).host(UInt8.self) == bytes)
            let empty = Tensor<Float>(shape: [0, 4], elements: [])
            #expect(try TorchTensor(empty).host() == empty)
            let scalar = Tensor<Float>(shape: [], elements: [2.5])
            let one = try TorchTensor(scalar)
            #expect(try one.host() == scalar)
            #expect(try one.item() == 2.5)
            #expect(one.shape == [] && one.device == .cpu && one.dataType == .float32)
        }

        @Test func bfloat16RoundsToNearestEven() throws {
            // 1 + 2⁻⁸ lies halfway between 1 and its successor 1 + 2⁻⁷.
            let exact = Tensor<Float>(shape: [3], elements: [1, 1 + 0x1p-8, 1 + 0x1.8p-7])
            let rounded = try TorchTensor(exact, as: .bfloat16)
            #expect(rounded.dataType == .bfloat16)
            #expect(try rounded.host().elements == [1, 1, 1 + 0x1p-6])
        }

        @Test func pixelsStoredNHWCAreReadAsNCHW() throws {
            let (height, width, channels) = (2, 3, 2)
            let pixels = (0..<UInt8(height * width * channels)).map { $0 }
            let tensor = try pixels.withUnsafeBytes { bytes in
                try TorchTensor(
                    bytes: bytes, of: .uint8, shape: [1, channels, height, width],
                    strides: [height * width * channels, 1, width * channels, channels], as: .float32,
                    memoryFormat: .channelsLast)
            }
            #expect(tensor.isContiguous(.channelsLast) && !tensor.isContiguous())
            #expect(try tensor.host().elements == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
            #expect(try tensor.to(memoryFormat: .contiguous).isContiguous())
        }

        @Test func elementsOutsideTheBytesAreRefused() {
            let bytes = [UInt8](repeating: 0, count: 11)
            let before = TorchTensor.liveCount
            for (shape, strides): (Shape, [Int]?) in [
                ([3], nil), ([2, 1 << 40], [Int.max, Int.max]), ([2], [2]), ([2], [-1]), ([1 << 32, 1 << 32], [1, 1]),
            ] {
                let error = #expect(throws: TorchError.self) {
                    try bytes.withUnsafeBytes {
                        _ = try TorchTensor(bytes: $0, of: .float32, shape: shape, strides: strides)
                    }
                }
                #expect(error?.operation == "from host")
            }
            #expect(TorchTensor.liveCount == before)
        }

        @Test func aFailedCallLeavesItsOutputAlone() throws {
            let untouched = OpaquePointer(bitPattern: 0x10)
            var made = untouched
            let device = TapestryDevice(kind: TAPESTRY_CPU, index: 0)
            let status = tapestry_tensor_from_host(
                nil, 0, TAPESTRY_FLOAT32, [2], nil, 1, TAPESTRY_FLOAT32, device, TAPESTRY_CONTIGUOUS, &made)
            #expect(status == TAPESTRY_FAILED && made == untouched)
            #expect(tapestry_operator_find("aten::no_such", "", &made) == TAPESTRY_FAILED && made == untouched)

            let tensor = try TorchTensor(Tensor<Float>(shape: [2], elements: [1, 2]))
            #expect(throws: TorchError.self) { try tensor.copy(from: try .full([3], 0)) }
            #expect(try tensor.host().elements == [1, 2])
        }

        @Test func devicesAreNamedAsLibtorchNamesThem() {
            #expect(Device(parsing: "cpu") == .cpu && Device(parsing: "cuda") == .cuda(0))
            #expect(Device(parsing: "cuda:3") == .cuda(3) && Device.cuda(3).description == "cuda:3")
            for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "cuda:300"] {
                #expect(Device(parsing: wrong) == nil)
            }
        }
    }
}

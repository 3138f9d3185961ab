import CTapestryTorch
import TapestryCore

extension Device {
    var handle: TapestryDevice {
        switch self {
        case .cpu: TapestryDevice(kind: TAPESTRY_CPU, index: 0)
        case .cuda(let index): TapestryDevice(kind: TAPESTRY_CUDA, index: Int32(index))
        }
    }

    init(_ handle: TapestryDevice) {
        self = handle.kind == TAPESTRY_CUDA ? .cuda(Int(handle.index)) : .cpu
    }
}

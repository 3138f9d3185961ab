import CTapestry
import TapestryInference

// What tapestry.h declares and describes; the compiler checks that these are the header's functions.

/// What a caller did that the header rules out.
private struct InvalidArgument: Error, CustomStringConvertible {
    let description: String
}

/// What `body` returns, or `failure`, when the error it throws becomes the thread's last one.
private func result<Result>(or failure: Result, _ body: () throws -> Result) -> Result {
    do { return try body() } catch {
        tapestry_set_last_error("\(error)")
        return failure
    }
}

/// Precondition: `network` is of `tapestry_open`, and not closed.
private func handle(_ network: OpaquePointer) -> NetworkHandle {
    Unmanaged<NetworkHandle>.fromOpaque(UnsafeRawPointer(network)).takeUnretainedValue()
}

@c @implementation
public func tapestry_open(
    _ path: UnsafePointer<CChar>!, _ batch: Int, _ threads: Int, _ precision: tapestry_precision
) -> OpaquePointer! {
    result(or: nil) {
        guard let path else { throw InvalidArgument(description: "expected a path, found a null pointer") }
        guard batch > 0, threads > 0 else {
            throw InvalidArgument(
                description: "expected at least one image and one thread, found \(batch) and \(threads)")
        }
        guard [TAPESTRY_FP32, TAPESTRY_BF16].contains(precision) else {
            throw InvalidArgument(description: "expected TAPESTRY_FP32 or TAPESTRY_BF16, found \(precision.rawValue)")
        }
        let handle = try NetworkHandle(
            path: String(cString: path), batch: batch, threads: threads,
            precision: precision == TAPESTRY_FP32 ? .fp32 : .bf16)
        return OpaquePointer(Unmanaged.passRetained(handle).toOpaque())
    }
}

@c @implementation
public func tapestry_close(_ network: OpaquePointer!) {
    guard let network else { return }
    Unmanaged<NetworkHandle>.fromOpaque(UnsafeRawPointer(network)).release()
}

@c @implementation
public func tapestry_input_shape(_ network: OpaquePointer!) -> tapestry_shape {
    tapestry_shape(handle(network).network.inputShape)
}

@c @implementation
public func tapestry_output_shape(_ network: OpaquePointer!) -> tapestry_shape {
    tapestry_shape(handle(network).network.outputShape)
}

extension tapestry_shape {
    /// Precondition: the shape is an image's or a vector's.
    fileprivate init(_ shape: Shape) {
        let padded = shape.dimensions + [1, 1]
        self.init(rank: shape.rank, dimensions: (padded[0], padded[1], padded[2]))
    }
}

@c @implementation
public func tapestry_class_name(_ network: OpaquePointer!, _ index: Int) -> UnsafePointer<CChar>! {
    let names = handle(network).classNames
    return names.indices.contains(index) ? UnsafePointer(names[index]) : nil
}

@c @implementation
public func tapestry_normalize(
    _ network: OpaquePointer!, _ pixels: UnsafePointer<UInt8>!, _ input: UnsafeMutablePointer<Float>!
) -> CInt {
    result(or: -1) {
        let handle = handle(network)
        guard let pixels, let input else {
            throw InvalidArgument(description: "expected buffers, found a null pointer")
        }
        let shape = handle.network.inputShape
        let normalized = try handle.normalization.get().input(
            Array(UnsafeBufferPointer(start: pixels, count: shape.count)), height: shape[1], width: shape[2])
        input.update(from: normalized.elements, count: shape.count)
        return 0
    }
}

@c @implementation
public func tapestry_run(
    _ network: OpaquePointer!, _ images: UnsafePointer<Float>!, _ count: Int, _ order: tapestry_order,
    _ results: UnsafeMutablePointer<Float>!
) -> CInt {
    result(or: -1) {
        let network = handle(network).network
        guard order == TAPESTRY_PLANAR || order == TAPESTRY_CHANNELS_LAST else {
            throw InvalidArgument(description: "expected an order of tapestry.h, found \(order.rawValue)")
        }
        if count == 0 { return 0 }
        let (inputCount, isHuge) = count.multipliedReportingOverflow(by: network.inputShape.count)
        let (resultCount, isHuger) = count.multipliedReportingOverflow(by: network.outputShape.count)
        guard let images, let results, count > 0, !isHuge, !isHuger else {
            throw InvalidArgument(description: "expected buffers of \(count) images, found none that can be")
        }
        network.run(
            UnsafeBufferPointer(start: images, count: inputCount), count: count,
            order: order == TAPESTRY_PLANAR ? .planar : .channelsLast,
            into: UnsafeMutableBufferPointer(start: results, count: resultCount))
        return 0
    }
}

import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTorch

/// Batches made on a device: the data set's pixels lie there, and the host draws only where each row and column comes
/// from, so that two processors can keep a GPU busy.
///
/// They are to the bit what a `Loader` makes of the same order, seed and epoch. Images that are made of new pixels, by
/// resizing for example, are the loader's alone.
package final class DeviceBatches {
    private let dataset: any ImageDataset
    private let transform: SampleTransform
    private let input: ImageSize
    /// (N (H + 1) (W + 1)) x C bytes; the last row and column of each image are zeros.
    private let pixels: TorchTensor
    /// The normalised values of pixels, and where each channel's begin.
    private let table: TorchTensor
    private let channelStarts: TorchTensor
    private let device: Device

    /// The most bytes of pixels that a device is asked to keep.
    private static let largest = 1 << 30

    /// Nil where the images differ in size, are too many, or are made of new pixels.
    ///
    /// Throws: `DataError` if the images cannot become batches, `TorchError`, what reading an image throws.
    package init?(_ dataset: any ImageDataset, augmentation: Augmentation, on device: Device) throws {
        guard let input = dataset.uniformSize,
            dataset.count * (input.height + 1) * (input.width + 1) * dataset.channels <= Self.largest
        else { return nil }
        transform = try SampleTransform(augmentation, input: input, channels: dataset.channels)
        guard transform.onlyMovesPixels else { return nil }
        (self.dataset, self.input, self.device) = (dataset, input, device)
        let channels = dataset.channels
        var bytes = [UInt8](
            repeating: 0, count: dataset.count * (input.height + 1) * (input.width + 1) * channels)
        for index in 0..<dataset.count {
            try dataset.withPixels(at: index) { view in
                for row in 0..<input.height {
                    let start = ((index * (input.height + 1) + row) * (input.width + 1)) * channels
                    let line = view.pixels[row * input.width * channels..<(row + 1) * input.width * channels]
                    bytes.replaceSubrange(start..<start + line.count, with: line)
                }
            }
        }
        let places = bytes.count / channels
        pixels = try bytes.withUnsafeBytes {
            try TorchTensor(bytes: $0, of: .uint8, shape: [places, channels], on: device)
        }
        let values = transform.normalizedValues
        table = try TorchTensor(Tensor(shape: [values.count], elements: values), on: device)
        channelStarts = try TorchTensor(
            Tensor(shape: [channels], elements: (0..<channels).map { Int64($0 * 256) }), on: device)
    }

    /// The images of a batch, N x C x H x W and channels last in memory, and their labels.
    package func tensors(
        at indices: [Int], seed: UInt64, epoch: Int
    ) throws -> (images: TorchTensor, labels: TorchTensor) {
        let size = transform.size
        var rows: [Int64] = []
        var columns: [Int64] = []
        var cutRows: [Float] = []
        var cutColumns: [Float] = []
        var isCut = false
        for index in indices {
            var random = RandomStream(seed: seed, purpose: .augmentation, UInt64(epoch), UInt64(index))
            let sources = try transform.sources(in: input, using: &random)
            let first = index * (input.height + 1)
            rows += sources.rows.map { Int64((first + ($0 ?? input.height)) * (input.width + 1)) }
            columns += sources.columns.map { Int64($0 ?? input.width) }
            guard let cut = sources.cut else { continue }
            isCut = true
            cutRows += (0..<size.height).map { cut.rows.contains($0) ? 1 : 0 }
            cutColumns += (0..<size.width).map { cut.columns.contains($0) ? 1 : 0 }
        }
        let count = indices.count
        let places = try TorchTensor(Tensor(shape: [count, size.height, 1], elements: rows), on: device)
            .add(try TorchTensor(Tensor(shape: [count, 1, size.width], elements: columns), on: device))
        let entries = try pixels.select(try places.reshaped(to: [-1]), along: 0).to(as: .int64).add(channelStarts)
        var images = try table.select(try entries.reshaped(to: [-1]), along: 0)
            .reshaped(to: [count, size.height, size.width, transform.channels])
        if isCut {
            let square = try TorchTensor(Tensor(shape: [count, size.height, 1, 1], elements: cutRows), on: device)
                .multiply(
                    by: try TorchTensor(Tensor(shape: [count, 1, size.width, 1], elements: cutColumns), on: device))
            let keep = try TorchTensor.full([1], 1, on: device).subtract(square)
            images = try images.multiply(by: keep)
        }
        let labels = indices.map { Int64(dataset.label(at: $0)) }
        return (
            try Torch.call("aten::permute", [.tensor(images), .integers([0, 3, 1, 2])])[0],
            try TorchTensor(Tensor(shape: [count], elements: labels), on: device)
        )
    }
}

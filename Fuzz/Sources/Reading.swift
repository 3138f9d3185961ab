import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// How inputs are read, where a reader is more than one call: what was read is also used, and written and read again.
enum Reading {
    static func safetensors(_ input: Input) throws {
        let path = input.write()
        let file = try SafetensorsFile.read(path)
        require(try SafetensorsFile.typeNames(in: path).count == file.tensors.count, "tensors")
        // Compared as files are, since a NaN is not equal to itself.
        let first = try rewritten { try file.write(to: $0) }
        let copy = try SafetensorsFile.read(Input.copyPath)
        require(try rewritten { try copy.write(to: $0) } == first, "a safetensors file")
    }

    static func model(_ input: Input) throws {
        let path = input.write()
        try each([ownModel, publishedModel]) { try $0(path) }
    }

    /// Takes the tensors in any of the forms in which programs publish them.
    private static func publishedModel(_ path: String) throws {
        let checkpoint = try Checkpoint.read(path)
        guard ModelFile.isModel(checkpoint) else { return }
        let model = try ModelFile.model(in: checkpoint, path: path)
        use(model.graph)
        for layout in [StateDict.Layout.training, .deployed] {
            let tensors = StateDict.tensors(of: model, layout: layout)
            let weights = try StateDict.weights(of: model.graph, from: tensors)
            require(weights.tensors.keys == model.weights.tensors.keys, "the weights of a model")
        }
    }

    private static func ownModel(_ path: String) throws {
        let model = try ModelFile.read(path)
        use(model.graph)
        let first = try rewritten { try ModelFile.write(model, to: $0) }
        let copy = try ModelFile.read(Input.copyPath)
        require(copy.graph == model.graph, "a model's graph")
        require(try rewritten { try ModelFile.write(copy, to: $0) } == first, "a model file")
    }

    static func state(_ input: Input) throws {
        let state = try TrainingState(readingFrom: input.write())
        use(state.graph)
        let first = try rewritten { try state.write(to: $0) }
        let copy = try TrainingState(readingFrom: Input.copyPath)
        require(copy.position == state.position && copy.graph == state.graph, "a position")
        require(try rewritten { try copy.write(to: $0) } == first, "a training state")
    }

    /// What is unpacked makes the same bytes again: no tensor has two packed forms, save one with fewer values than its
    /// form is for.
    static func packed(_ input: Input) throws {
        let forms = PackedTensor.Form.allCases
        guard input.buffer.count > 4 else { return }
        let form = forms[Int(input.buffer[0]) % forms.count]
        let shape = Shape(input.buffer[1..<5].map { Int($0) % 8 + 1 })
        let bytes = Array(input.buffer[5...])
        var reader = ByteReader(file: Input.path, bytes: bytes)
        let elements = try form.elements(of: shape, from: &reader)
        let content = PackableContent(Tensor(shape: shape, elements: elements))
        guard content.isTernary == form.isTernary else { return }
        guard form.isCoded else { return require(content.packed().bytes == bytes, "a packed tensor") }
        let model = SymbolModel(rawValue: bytes[form.isTernary ? 8 : 4 + 4 * content.values.count])
        require(content.coded(by: model).bytes == bytes, "a coded tensor")
    }

    static func pyTorch(_ input: Input) throws {
        let path = input.write()
        let checkpoint = try Checkpoint.read(path)
        require(checkpoint.typeNames.count == checkpoint.tensors.count, "types")
        try publishedModel(path)
        // Names that all begin with what DataParallel adds would lose it.
        let tensors = numbered(checkpoint.tensors) { $0.hasPrefix("module.") }
        let first = try rewritten { try PyTorchCheckpoint.write(tensors, to: $0, under: "state_dict") }
        let copy = try PyTorchCheckpoint.read(Input.copyPath)
        require(copy.tensors.map(\.name) == tensors.map(\.name), "names of tensors")
        require(
            try rewritten { try PyTorchCheckpoint.write(copy.tensors, to: $0, under: "state_dict") } == first,
            "a PyTorch file")
    }

    static func hdf5(_ input: Input) throws {
        let checkpoint = try Checkpoint.read(input.write())
        require(checkpoint.typeNames.count == checkpoint.tensors.count, "types")
        let tensors = numbered(checkpoint.tensors) { $0.contains("/") }
        let first = try rewritten { try HDF5File(tensors: tensors).write(to: $0) }
        let copy = try HDF5File.read(Input.copyPath)
        require(Set(copy.tensors.map(\.name)) == Set(tensors.map(\.name)), "names of tensors")
        require(try rewritten { try copy.write(to: $0) } == first, "an HDF5 file")
    }

    /// The tensors under numbers, if one of their names is none that can be written and read.
    private static func numbered(_ tensors: [NamedTensor], if isOther: (String) -> Bool) -> [NamedTensor] {
        guard tensors.contains(where: { isOther($0.name) }) else { return tensors }
        return tensors.enumerated().map { NamedTensor(name: String($0), tensor: $1.tensor) }
    }

    static func graph(_ input: Input) throws {
        let graph: Graph
        do {
            graph = try JSONCoding.value(Graph.self, from: input.bytes, file: Input.path)
        } catch is DecodingError { return } catch is GraphError { return } catch is SupportError { return }
        use(graph)
        let text = try JSONCoding.text(of: graph)
        require(try JSONCoding.value(Graph.self, from: text.utf8, file: Input.path) == graph, "a graph")
    }

    /// Asks of a graph from a file what commands ask: a count may be too large, and nothing else may go wrong.
    private static func use(_ graph: Graph) {
        require(graph.nodes.allSatisfy { $0.parameters.allSatisfy { $0.shape.count >= 0 } }, "parameters")
        _ = try? Count(graph)
        _ = try? CountingConvention.askVGG.count(graph)
        _ = try? CountingConvention.askResNet.count(graph)
    }

    static func image(_ input: Input) throws {
        // The sixteenth part of a megapixel is enough to decode every part of an image, and soon done.
        let image = try ImageDecoder.decode(input.bytes, file: Input.path, pixelLimit: 1 << 16)
        require(image.pixels.count == image.height * image.width * image.channels, "pixels")
        // A part of it has its pixels.
        let (rows, columns) = (
            image.height / 3..<(image.height + 1) / 2 + image.height / 3, image.width / 2..<image.width
        )
        let part = try ImageDecoder.decodePart(of: input.bytes, file: Input.path, pixelLimit: 1 << 16) { _, _ in
            PixelRegion(rows: rows, columns: columns)
        }
        for row in rows {
            let start = ((row - part.top) * part.image.width + columns.lowerBound - part.left) * image.channels
            let whole = image.pixels[
                (row * image.width + columns.lowerBound) * image.channels..<(row + 1) * image.width * image.channels]
            require(part.image.pixels[start...].starts(with: whole), "pixels of a part")
        }
    }

    static func yaml(_ input: Input) throws {
        guard let text = String(validating: input.buffer, as: UTF8.self) else { return }
        let value = try ConfigurationValue.parse(text, file: Input.path)
        try? tryMethods(value)
        _ = value.methodRules
        let yaml = value.yaml
        require(try ConfigurationValue.parse(yaml, file: Input.path).yaml == yaml, "a configuration")
    }

    static func classNames(_ input: Input) throws {
        let bytes = input.bytes
        try each(CIFARVariant.allCases) { variant in
            try each([false, true]) {
                let names = try CIFARImages.parseClassNames(
                    bytes, file: Input.path, variant: variant, isPython: $0)
                require(names.count == variant.classCount, "names of classes")
            }
        }
    }

    static func metrics(_ input: Input) throws {
        let epochs: [EpochMetrics]
        do {
            _ = input.write()
            epochs = try recordFolder.readMetrics()
        } catch let error as FormatError where error.file == recordFolder.metrics {
            throw FormatError(file: Input.path, offset: error.offset, reason: error.reason)
        }
        try copyFolder.write(epochs)
        require(try copyFolder.readMetrics() == epochs, "a record of epochs")
        for count in 0...2 where count <= epochs.count {
            require(try recordFolder.readMetrics(epochs: count) == Array(epochs.prefix(count)), "the first epochs")
        }
    }

    /// The folder of a run whose record is the input.
    private static let recordFolder = folder { try $0.createSymbolicLink(atPath: $1, withDestinationPath: Input.path) }

    private static let copyFolder = folder { _, _ in }

    /// A folder of a run, to which `body` adds a record at the path that it gets.
    private static func folder(_ body: (FileManager, String) throws -> Void) -> RunFolder {
        let manager = FileManager.default
        let place = manager.temporaryDirectory.appending(component: "run-\(getpid())-\(UUID().uuidString)")
        do {
            try manager.createDirectory(at: place, withIntermediateDirectories: true)
            let folder = RunFolder(path: place.path())
            try body(manager, folder.metrics)
            return folder
        } catch { fatalError("cannot make a folder of a run: \(error)") }
    }

    /// Takes every string for a method, as a file of rules has them.
    private static func tryMethods(_ value: ConfigurationValue) throws(MethodError) {
        if let text = value.string { _ = try Methods.parse(text) }
        for element in value.list ?? value.members?.map(\.value) ?? [] { try? tryMethods(element) }
    }

    /// Calls `body` for each of `variants`; throws the first error after the last.
    static func each<Variant>(_ variants: [Variant], _ body: (Variant) throws -> Void) throws {
        var failure: (any Error)?
        for variant in variants {
            do { try body(variant) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private static func rewritten(_ write: (String) throws -> Void) throws -> [UInt8] {
        try write(Input.copyPath)
        return Array(try Data(contentsOf: URL(fileURLWithPath: Input.copyPath)))
    }
}

import TapestryFormats
import TapestryTestSupport

extension Format {
    /// Every format. `./dev fuzz` lists them by the first line of each entry, so that keeps its form.
    static let all = [
        Format(
            "safetensors", "named tensors in one file",
            longest: 4096, seeds: Seeds.safetensors, repair: Repair.safetensors, read: Reading.safetensors),
        Format(
            "model", "a safetensors file with a graph",
            longest: 16384, seeds: Seeds.models, repair: Repair.safetensors, read: Reading.model),
        Format(
            "state", "what a training goes on from: a safetensors file with a graph and a position",
            longest: 16384, seeds: Seeds.states, repair: Repair.safetensors, read: Reading.state),
        Format(
            "packed", "the bytes of one packed tensor, behind its form and shape",
            longest: 1024, seeds: Seeds.packed, read: Reading.packed),
        Format(
            "graph", "a graph as JSON, verified and counted",
            longest: 8192, seeds: Seeds.graphs, read: Reading.graph),
        Format(
            "pytorch", "checkpoints of PyTorch, zip and legacy",
            longest: 8192, seeds: Seeds.pyTorch, repair: Repair.zip, read: Reading.pyTorch),
        Format(
            "hdf5", "tensors in groups, as h5py and Keras write them",
            longest: 9216, seeds: Seeds.hdf5, repair: Repair.hdf5, read: Reading.hdf5),
        Format(
            "cifar-binary", "CIFAR-10 and CIFAR-100, binary version",
            longest: 3 * 3074, seeds: Seeds.binaryCIFAR
        ) { input in
            let bytes = input.bytes
            try Reading.each(CIFARVariant.allCases) {
                _ = try CIFARImages.parse(bytes, file: Input.path, variant: $0)
            }
        },
        Format(
            "cifar-python", "CIFAR-10 and CIFAR-100, python version: pickles",
            longest: 10240, seeds: { try Fixture.all("cifar", ending: ".pickle") }
        ) { input in
            let bytes = input.bytes
            try Reading.each(CIFARVariant.allCases) {
                _ = try CIFARImages.parsePython(bytes, file: Input.path, variant: $0)
            }
        },
        Format(
            "cifar-names", "names of CIFAR's classes, as lines or pickles",
            longest: 2048, seeds: Seeds.classNames, read: Reading.classNames),
        Format(
            "idx", "arrays of bytes as MNIST has them, gzipped or not",
            longest: 4096, seeds: Seeds.idx
        ) { input in
            let bytes = input.bytes
            try Reading.each([1, 3]) { _ = try IDXFile.parse(bytes, file: Input.path, rank: $0) }
        },
        Format(
            "jpeg", "JPEG images",
            longest: 4096, seeds: { try Fixture.all("images", ending: ".jpg") }, read: Reading.image),
        Format(
            "png", "PNG images",
            longest: 4096, seeds: { try Fixture.all("images", ending: ".png") }, repair: Repair.png,
            read: Reading.image),
        Format(
            "yaml", "configuration: recipes and rules for methods",
            longest: 2048, seeds: Seeds.yaml, read: Reading.yaml),
        Format(
            "metrics", "the record of a run: a line of JSON for each epoch",
            longest: 4096, seeds: Seeds.metrics, read: Reading.metrics),
        Format(
            "class-names", "names of classes, as model files have them",
            longest: 2048, seeds: { [Array(NameList.classNames.text(["cat", "a \"b\"\n\\", "日本", "\u{1}", ""]).utf8)] }
        ) { input in
            guard let text = String(validating: input.buffer, as: UTF8.self) else { return }
            let names = try NameList.classNames.read([NameList.classNames.key: text], path: Input.path) ?? []
            let again = try NameList.classNames.read(
                [NameList.classNames.key: NameList.classNames.text(names)], path: Input.path)
            require(again?.elementsEqual(names) { $0.utf8.elementsEqual($1.utf8) } == true, "names of classes")
        },
    ]
}

/// CIFAR-10 or CIFAR-100: 32 x 32 RGB images.
///
/// Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
public enum CIFARVariant: String, CaseIterable, Sendable {
    case cifar10
    case cifar100

    public static let side = 32
    public static let channels = 3
    package static let pixelCount = side * side * channels

    public var classCount: Int { self == .cifar10 ? 10 : 100 }

    public var folder: String { self == .cifar10 ? "cifar-10-batches-bin" : "cifar-100-binary" }
    public var pythonFolder: String { self == .cifar10 ? "cifar-10-batches-py" : "cifar-100-python" }

    /// The binary version's files of `split`, in order.
    public func files(of split: Split) -> [String] { names(of: split).map { $0 + ".bin" } }

    /// The python version's files of `split`, in order.
    public func pythonFiles(of split: Split) -> [String] { names(of: split) }

    /// Bytes of labels before each image in the binary version; the last is the (fine) class.
    package var labelByteCount: Int { self == .cifar10 ? 1 : 2 }
    package var classNamesFile: String { self == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt" }
    package var pythonClassNamesFile: String { self == .cifar10 ? "batches.meta" : "meta" }
    package var pythonClassNamesKey: String { self == .cifar10 ? "label_names" : "fine_label_names" }
    package var pythonLabelsKey: String { self == .cifar10 ? "labels" : "fine_labels" }

    /// The published class names, for directories that lack the file of names.
    public var classNames: [String] {
        (self == .cifar10 ? Self.names10 : Self.names100).split(separator: " ").map(String.init)
    }

    private func names(of split: Split) -> [String] {
        switch (self, split) {
        case (.cifar10, .train): (1...5).map { "data_batch_\($0)" }
        case (.cifar10, .test): ["test_batch"]
        case (.cifar100, _): [split.rawValue]
        }
    }

    private static let names10 = "airplane automobile bird cat deer dog frog horse ship truck"

    private static let names100 = """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can \
        castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin \
        elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster \
        man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck \
        pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk \
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger \
        tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
        """
}

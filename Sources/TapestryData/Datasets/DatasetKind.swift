import TapestryFormats

/// The data sets that are known by name.
public enum DatasetKind: String, CaseIterable, Codable, Sendable {
    case cifar10
    case cifar100
    case fashionMNIST = "fashion-mnist"
    case mnist
    case folder

    /// Channels of an image: 1 (grey) or 3 (RGB).
    public var channels: Int {
        switch self {
        case .cifar10, .cifar100, .folder: 3
        case .fashionMNIST, .mnist: 1
        }
    }

    /// The side of its square images in pixels; for folders, the size that ImageNet's networks take.
    public var imageSize: Int {
        switch self {
        case .cifar10, .cifar100: 32
        case .fashionMNIST, .mnist: 28
        case .folder: 224
        }
    }

    /// nil where the directory says how many there are.
    public var classCount: Int? {
        switch self {
        case .cifar10, .fashionMNIST, .mnist: 10
        case .cifar100: 100
        case .folder: nil
        }
    }

    /// Opens a split of the data set in `directory`; without a kind, the one that the directory's files show. Lists of
    /// large image folders are kept in `cache`.
    ///
    /// Throws: `InputNotFound` with the files expected and where to get them; `FormatError`.
    public static func open(
        _ kind: DatasetKind? = nil, directory: String, split: Split, cache: ImageFolderCache? = .standard
    ) throws -> (kind: DatasetKind, dataset: any ImageDataset) {
        guard let kind = kind ?? detect(directory: directory, split: split) else {
            throw InputNotFound(
                path: directory,
                remedy: "no known data set here: expected CIFAR's batches, the idx files of MNIST or Fashion-MNIST, "
                    + "or folders train and val (or test) with a folder of images per class")
        }
        return (kind, try kind.open(directory: directory, split: split, cache: cache))
    }

    /// The kind whose files are in `directory`; nil if there are none of any.
    ///
    /// MNIST and Fashion-MNIST have the same file names: a path that contains "fashion" tells them apart.
    public static func detect(directory: String, split: Split) -> DatasetKind? {
        for (kind, variant) in [(DatasetKind.cifar10, CIFARVariant.cifar10), (.cifar100, .cifar100)]
        where CIFARImages.contains(variant, split: split, directory: directory) {
            return kind
        }
        if IDXImages.path(of: split, images: true, in: directory) != nil {
            return directory.lowercased().contains("fashion") ? .fashionMNIST : .mnist
        }
        return ImageFolder.root(of: split, in: directory) == nil ? nil : .folder
    }

    private func open(directory: String, split: Split, cache: ImageFolderCache?) throws -> any ImageDataset {
        do {
            switch self {
            case .cifar10:
                return InMemoryDataset(try CIFARImages.read(.cifar10, directory: directory, split: split))
            case .cifar100:
                return InMemoryDataset(try CIFARImages.read(.cifar100, directory: directory, split: split))
            case .fashionMNIST: return try idx(directory: directory, split: split, names: IDXImages.fashionNames)
            case .mnist: return try idx(directory: directory, split: split, names: IDXImages.digitNames)
            case .folder: return FolderDataset(try ImageFolder(directory: directory, split: split, cache: cache))
            }
        } catch let error as InputNotFound where error.path == directory {
            throw InputNotFound(path: directory, remedy: error.remedy + advice)
        }
    }

    private func idx(directory: String, split: Split, names: [String]) throws -> any ImageDataset {
        InMemoryDataset(try IDXImages.read(directory: directory, split: split, classNames: names))
    }

    /// Where to get the files.
    private var advice: String {
        switch self {
        case .cifar10: "; get cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it"
        case .cifar100: "; get cifar-100-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it"
        case .fashionMNIST:
            "; Debian's package dataset-fashion-mnist installs them in /usr/share/datasets/fashion-mnist"
        case .mnist: "; get the four files from https://ossci-datasets.s3.amazonaws.com/mnist/"
        case .folder: ""
        }
    }
}

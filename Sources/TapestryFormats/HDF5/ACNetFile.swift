/// ACNet's HDF5 files of weights, in which a "/" in the name of a tensor is written as "+".
///
/// Source: DingXiaoH/ACNet, whose files hold a state dict as datasets of the root group.
public enum ACNetFile {
    /// The tensors of the file at `path` under their names in the state dict, in the order of the file.
    ///
    /// Throws: as `HDF5File.read`, and `FormatError` if two names become one.
    public static func read(_ path: String) throws -> [NamedTensor] {
        var names: Set<String> = []
        return try HDF5File.read(path).tensors.map { entry in
            let name = replacing("+", by: "/", in: entry.name)
            guard names.insert(name).inserted else {
                throw FormatError(file: path, reason: "expected distinct names of tensors, found '\(name)' twice")
            }
            return NamedTensor(name: name, tensor: entry.tensor)
        }
    }

    /// Writes tensors under their names in a state dict; a "+" in one of them is read back as "/". `attributes` become
    /// texts of the file, but for those that are longer than HDF5 can hold there.
    ///
    /// Throws: as `HDF5File.write`.
    public static func write(_ tensors: [NamedTensor], to path: String, attributes: [String: String] = [:]) throws {
        let entries = tensors.map {
            NamedTensor(name: replacing("/", by: "+", in: $0.name), tensor: $0.tensor)
        }
        let attributes = attributes.filter { $0.key.utf8.count + $0.value.utf8.count <= HDF5Attribute.longest }
        try HDF5File(tensors: entries).write(to: path, attributes: attributes)
    }

    private static func replacing(_ old: Unicode.Scalar, by new: Unicode.Scalar, in name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.map { $0 == old ? new : $0 }))
    }
}

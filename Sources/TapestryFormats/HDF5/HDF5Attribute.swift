/// A text beside the tensors, as a message in a group's object header: version 1, a string of fixed length.
enum HDF5Attribute {
    static let kind = 0x0C
    /// A message takes at most 65,535 bytes.
    static let longest = 60_000

    /// Nil where the text and its name are longer than `longest`. Empty texts become one zero byte: a string has a length.
    static func message(name: String, text: String) -> HDF5Bytes? {
        guard name.utf8.count + text.utf8.count <= longest else { return nil }
        let length = max(text.utf8.count, 1)
        var body = HDF5Bytes()
        body.append([1, 0])
        body.append(name.utf8.count + 1, width: 2)
        // The sizes of what follows the name.
        body.append(8, width: 2)
        body.append(8, width: 2)
        body.append(name.utf8)
        body.appendZeros(1)
        body.align()
        // A string (class 3 of version 1) of UTF-8, filled up with zeros.
        body.append([0x13, 0x11, 0, 0])
        body.append(length, width: 4)
        // A dataspace of one element.
        body.append([1, 0, 0, 0, 0, 0, 0, 0])
        body.append(text.utf8)
        body.appendZeros(length - text.utf8.count)
        body.align()
        return body
    }
}

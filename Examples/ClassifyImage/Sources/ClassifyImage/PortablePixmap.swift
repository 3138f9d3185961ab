import Glibc

/// An image as a binary PPM file has it (netpbm's `P6`), without comments: the simplest file that holds colours.
struct PortablePixmap {
    let height: Int
    let width: Int
    /// H x W x RGB.
    let pixels: [UInt8]

    enum Failure: Error {
        case cannotRead(String)
        case notBinaryPPM(String)
    }

    init(contentsOf path: String) throws {
        guard let file = fopen(path, "rb") else { throw Failure.cannotRead(path) }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        let size = ftell(file)
        // What is larger than four megapixels is no network's input.
        guard (0...12 << 20).contains(size) else { throw Failure.notBinaryPPM(path) }
        rewind(file)
        var bytes = [UInt8](repeating: 0, count: size)
        guard fread(&bytes, 1, size, file) == size else { throw Failure.cannotRead(path) }

        let header = bytes.prefix(64).split(maxSplits: 4) { [0x20, 0x09, 0x0A, 0x0D].contains($0) }.prefix(4)
        let words = header.map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 4, words[0] == "P6", words[3] == "255", let width = Int(words[1]),
            let height = Int(words[2]), (1...2048).contains(width), (1...2048).contains(height)
        else { throw Failure.notBinaryPPM(path) }
        // One space ends the header.
        pixels = Array(bytes[(header[3].endIndex + 1)...])
        guard pixels.count == height * width * 3 else { throw Failure.notBinaryPPM(path) }
        (self.height, self.width) = (height, width)
    }
}

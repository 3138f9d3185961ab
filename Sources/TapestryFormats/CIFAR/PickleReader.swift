/// Reads the pickles of CIFAR's python version and refuses all others: a closed set of opcodes (protocols 2 to 4, as
/// python 2 and 3 write them), a closed set of globals, and no call but the three that rebuild a numpy uint8 array.
///
/// Source: the opcodes' definitions in CPython's Lib/pickletools.py.
struct PickleReader {
    private var reader: ByteReader
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    /// Containers are remembered as nil: CIFAR's pickles never share one, so none is given a second time.
    private var memo: [UInt64: PickleValue?] = [:]
    private var encodedCount = 0
    /// Where the opcode at hand began.
    private var start = 0

    private static let deepest = 8

    init(file: String, bytes: [UInt8]) { reader = ByteReader(file: file, bytes: bytes) }

    /// The pickled value.
    ///
    /// Throws: `FormatError` for damage, an opcode or a global outside the closed sets, and bytes after the end.
    mutating func read() throws -> PickleValue {
        while true {
            start = reader.offset
            let opcode = try reader.byte(for: "pickle opcode")
            if opcode == UInt8(ascii: ".") { break }
            if try readScalar(opcode) || readContainer(opcode) || readMemo(opcode) || readObject(opcode) { continue }
            throw error("expected an opcode that CIFAR's pickles use, found 0x\(String(opcode, radix: 16))")
        }
        guard stack.count == 1, marks.isEmpty, let value = stack.popLast() else {
            throw error("expected one value at the pickle's end, found \(stack.count)")
        }
        guard reader.remaining == 0 else { throw reader.error("expected the end of the file, found more bytes") }
        return value
    }

    // MARK: Opcodes

    private mutating func readScalar(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case 0x80:
            let version = try reader.byte(for: "protocol")
            guard (2...4).contains(version) else { throw error("expected pickle protocol 2 to 4, found \(version)") }
        case 0x95: _ = try reader.take(8, for: "frame length")
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.boolean(true))
        case 0x89: stack.append(.boolean(false))
        case UInt8(ascii: "J"):
            stack.append(.integer(Int(Int32(truncatingIfNeeded: try reader.littleEndian(4, for: "integer")))))
        case UInt8(ascii: "K"): stack.append(.integer(Int(try reader.byte(for: "integer"))))
        case UInt8(ascii: "M"): stack.append(.integer(Int(try reader.littleEndian(2, for: "integer"))))
        case UInt8(ascii: "U"), UInt8(ascii: "C"): stack.append(.bytes(try payload(lengthBytes: 1)))
        case UInt8(ascii: "T"), UInt8(ascii: "B"): stack.append(.bytes(try payload(lengthBytes: 4)))
        case 0x8E: stack.append(.bytes(try payload(lengthBytes: 8)))
        case 0x8C: stack.append(.string(try text(lengthBytes: 1)))
        case UInt8(ascii: "X"): stack.append(.string(try text(lengthBytes: 4)))
        default: return false
        }
        return true
    }

    private mutating func readContainer(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "}"): stack.append(.dictionary([:]))
        case UInt8(ascii: "]"): stack.append(.list([]))
        case UInt8(ascii: ")"): stack.append(.tuple([]))
        case 0x85...0x87: try pushTuple(try pop(Int(opcode) - 0x84))
        case UInt8(ascii: "t"): try pushTuple(try popToMark())
        case UInt8(ascii: "a"): try extendList(by: try pop(1))
        case UInt8(ascii: "e"): try extendList(by: try popToMark())
        case UInt8(ascii: "s"): try extendDictionary(by: try pop(2))
        case UInt8(ascii: "u"): try extendDictionary(by: try popToMark())
        default: return false
        }
        return true
    }

    private mutating func readMemo(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "q"): try memorize(UInt64(try reader.byte(for: "memo index")))
        case UInt8(ascii: "r"): try memorize(try reader.littleEndian(4, for: "memo index"))
        case 0x94: try memorize(UInt64(memo.count))
        case UInt8(ascii: "h"): try recall(UInt64(try reader.byte(for: "memo index")))
        case UInt8(ascii: "j"): try recall(try reader.littleEndian(4, for: "memo index"))
        default: return false
        }
        return true
    }

    private mutating func readObject(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "c"):
            let module = String(decoding: try reader.line(for: "module"), as: UTF8.self)
            try pushGlobal(module: module, name: String(decoding: try reader.line(for: "name"), as: UTF8.self))
        case 0x93:
            let names = try pop(2)
            guard case .string(let module) = names[0], case .string(let name) = names[1] else {
                throw error("expected a module and a name, found \(names[0]) and \(names[1])")
            }
            try pushGlobal(module: module, name: name)
        case UInt8(ascii: "R"):
            let call = try pop(2)
            guard case .global(let function) = call[0], case .tuple(let arguments) = call[1] else {
                throw error("expected a function and its arguments, found \(call[0]) and \(call[1])")
            }
            if case .encode = function { try countEncoding(arguments) }
            guard let value = NumpyPickle.call(function, arguments) else {
                throw error("expected the parts of a uint8 array, found others")
            }
            stack.append(value)
        case UInt8(ascii: "b"):
            let parts = try pop(2)
            guard case .tuple(let state) = parts[1] else { throw error("expected a tuple of state, found \(parts[1])") }
            guard let value = NumpyPickle.build(parts[0], state) else {
                throw error("expected the state of a uint8 array, found another")
            }
            stack.append(value)
        default: return false
        }
        return true
    }

    // MARK: Their parts

    private func error(_ reason: String) -> FormatError { reader.error(reason, at: start) }

    /// Refuses values that are already as deep as they may be, before they go one level deeper.
    private func checkDepth(_ values: [PickleValue]) throws {
        guard values.allSatisfy({ $0.depth < Self.deepest }) else {
            throw error("expected at most \(Self.deepest) levels, found more")
        }
    }

    private mutating func pushTuple(_ values: [PickleValue]) throws {
        try checkDepth(values)
        stack.append(.tuple(values))
    }

    private mutating func pop(_ count: Int) throws -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw error("expected \(count) values, found fewer") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw error("expected a mark, found none") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private mutating func extendList(by values: [PickleValue]) throws {
        guard case .list(var list)? = stack.last else { throw error("expected a list to append to, found none") }
        try checkDepth(values)
        // The stack lets go of the list while it grows, so that it grows in place.
        stack[stack.count - 1] = .none
        list += values
        stack[stack.count - 1] = .list(list)
    }

    private mutating func extendDictionary(by values: [PickleValue]) throws {
        guard case .dictionary(var entries)? = stack.last, values.count.isMultiple(of: 2) else {
            throw error("expected a dictionary and pairs for it, found others")
        }
        try checkDepth(values)
        stack[stack.count - 1] = .none
        for index in stride(from: 0, to: values.count, by: 2) {
            guard let key = values[index].text else { throw error("expected a string as key, found \(values[index])") }
            entries[key] = values[index + 1]
        }
        stack[stack.count - 1] = .dictionary(entries)
    }

    private mutating func pushGlobal(module: String, name: String) throws {
        guard let global = PickleValue.Global(module: module, name: name) else {
            throw error("expected a numpy array's constructor, found \(module).\(name), which is not executed")
        }
        stack.append(.global(global))
    }

    /// Bounds what encoding can make by the file's size, for a remembered string could be encoded again and again.
    private mutating func countEncoding(_ arguments: [PickleValue]) throws {
        guard case .string(let text)? = arguments.first else { return }
        encodedCount += text.utf8.count
        guard encodedCount <= reader.bytes.count else {
            throw error("expected each string to be encoded once, found more")
        }
    }

    private mutating func memorize(_ index: UInt64) throws {
        guard let value = stack.last else { throw error("expected a value to remember, found none") }
        memo.updateValue(value.isShareable ? value : nil, forKey: index)
    }

    private mutating func recall(_ index: UInt64) throws {
        guard let remembered = memo[index], let value = remembered else {
            throw error("expected a remembered string or type, found none at \(index)")
        }
        stack.append(value)
    }

    private mutating func payload(lengthBytes: Int) throws -> [UInt8] {
        let length = try reader.littleEndian(lengthBytes, for: "length")
        guard let count = Int(exactly: length) else { throw error("expected a length, found \(length)") }
        return Array(reader.bytes[try reader.take(count, for: "string")])
    }

    private mutating func text(lengthBytes: Int) throws -> String {
        guard let text = String(validating: try payload(lengthBytes: lengthBytes), as: UTF8.self) else {
            throw error("expected UTF-8, found other bytes")
        }
        return text
    }
}

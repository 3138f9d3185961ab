/// What one kind of file may have in its pickles.
struct PickleDialect: Sendable {
    /// What its globals are for, as a clause: "a constructor of tensors".
    let purpose: String
    /// The most levels of containers.
    let deepest: Int
    /// Whether a pickle may name this global. What may be named is still not called.
    let allows: @Sendable (_ module: String, _ name: String) -> Bool
}

/// A pickle's value, and all that it left to its reader by persistent identifiers.
struct Pickle {
    let root: PickleValue
    let externals: [PickleSequence]
}

/// Python's pickle machine with nothing in it that acts: a closed set of opcodes (protocols 2 to 5, as python 2 and 3 write
/// them for plain data and tensors), and calls that are kept as values (`PickleObject`) and never made.
///
/// Whatever the bytes say, it takes time in proportion to their number and memory within a budget, and a length is
/// believed only as far as there are bytes.
/// Source: the opcodes' definitions in CPython's Lib/pickletools.py.
struct PickleReader {
    private var reader: ByteReader
    private let dialect: PickleDialect
    private let budget: MemoryBudget
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [UInt64: PickleValue] = [:]
    private var externals: [PickleSequence] = []
    /// Where the opcode at hand began.
    private var start = 0

    /// What a value costs at most in memory: on the stack, in a container, in the memo, on its own.
    private enum Cost {
        static let slot = 48
        static let memo = 96
        static let bytes = 80
        static let container = 160
        static let object = 320
        static let global = 256
    }

    /// The value of the pickle at the reader's place; the reader then stands behind it.
    ///
    /// Throws: `FormatError` for damage, an opcode outside the closed set, a global outside the dialect.
    static func read(_ reader: inout ByteReader, dialect: PickleDialect, budget: MemoryBudget) throws -> Pickle {
        var machine = PickleReader(reader: reader, dialect: dialect, budget: budget)
        let root = try machine.run()
        reader = machine.reader
        return Pickle(root: root, externals: machine.externals)
    }

    private init(reader: ByteReader, dialect: PickleDialect, budget: MemoryBudget) {
        self.reader = reader
        self.dialect = dialect
        self.budget = budget
    }

    private mutating func run() throws -> PickleValue {
        while true {
            start = reader.offset
            let opcode = try reader.byte(for: "pickle opcode")
            if opcode == UInt8(ascii: ".") { break }
            if try readNumber(opcode) || readString(opcode) || readContainer(opcode) || readAddition(opcode)
                || readMemo(opcode) || readObject(opcode)
            {
                continue
            }
            throw error("expected an opcode of data in pickle protocols 2 to 5, found 0x\(String(opcode, radix: 16))")
        }
        guard stack.count == 1, marks.isEmpty, let value = stack.popLast() else {
            throw error("expected one value at the pickle's end, found \(stack.count)")
        }
        return value
    }

    // MARK: Opcodes

    private mutating func readNumber(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case 0x80:
            let version = try reader.byte(for: "protocol")
            guard (2...5).contains(version) else { throw error("expected pickle protocol 2 to 5, found \(version)") }
        case 0x95:
            let length = try reader.littleEndian(8, for: "frame length")
            guard length <= UInt64(reader.remaining) else {
                throw error("expected a frame of at most \(reader.remaining) bytes, found \(length)")
            }
        case UInt8(ascii: "N"): try push(.none)
        case 0x88: try push(.boolean(true))
        case 0x89: try push(.boolean(false))
        case UInt8(ascii: "J"):
            try push(.integer(Int(Int32(truncatingIfNeeded: try reader.littleEndian(4, for: "integer")))))
        case UInt8(ascii: "K"): try push(.integer(Int(try reader.byte(for: "integer"))))
        case UInt8(ascii: "M"): try push(.integer(Int(try reader.littleEndian(2, for: "integer"))))
        case UInt8(ascii: "I"): try push(try decimal(try reader.line(for: "integer")))
        case 0x8A: try pushLong(try payload(lengthBytes: 1, of: "integer"))
        case 0x8B: try pushLong(try payload(lengthBytes: 4, of: "integer"))
        case UInt8(ascii: "G"):
            try push(.float(Double(bitPattern: try reader.littleEndian(8, for: "number").byteSwapped)))
        default: return false
        }
        return true
    }

    private mutating func readString(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "U"), UInt8(ascii: "C"): try pushBytes(try payload(lengthBytes: 1, of: "string"))
        case UInt8(ascii: "T"), UInt8(ascii: "B"): try pushBytes(try payload(lengthBytes: 4, of: "string"))
        case 0x8E, 0x96: try pushBytes(try payload(lengthBytes: 8, of: "string"))
        case 0x8C: try pushText(try payload(lengthBytes: 1, of: "string"))
        case UInt8(ascii: "X"): try pushText(try payload(lengthBytes: 4, of: "string"))
        case 0x8D: try pushText(try payload(lengthBytes: 8, of: "string"))
        default: return false
        }
        return true
    }

    private mutating func readContainer(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "("):
            try budget.charge(Cost.slot)
            marks.append(stack.count)
        case UInt8(ascii: "]"): try push(.list(try sequence([])))
        case UInt8(ascii: "}"): try push(.dictionary(try dictionary()))
        case 0x8F: try push(.set(try sequence([])))
        case UInt8(ascii: ")"): try push(.tuple(try sequence([])))
        case 0x85...0x87:
            let values = try pop(Int(opcode) - 0x84)
            try push(.tuple(try sequence(values)))
        case UInt8(ascii: "t"):
            let values = try popToMark()
            try push(.tuple(try sequence(values)))
        case 0x91:
            let values = try popToMark()
            try push(.set(try sequence(values)))
        default: return false
        }
        return true
    }

    private mutating func readAddition(_ opcode: UInt8) throws -> Bool {
        switch opcode {
        case UInt8(ascii: "a"): try extendSequence(by: try pop(1))
        case UInt8(ascii: "e"), 0x90: try extendSequence(by: try popToMark())
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
            guard case .text = names[0], case .text = names[1], let module = names[0].text, let name = names[1].text
            else { throw error("expected a module and a name, found \(names[0]) and \(names[1])") }
            try pushGlobal(module: module, name: name)
        case UInt8(ascii: "R"), 0x81:
            let call = try pop(2)
            guard case .tuple(let arguments) = call[1], call[0].isCallable else {
                throw error("expected a function and its arguments, found \(call[0]) and \(call[1])")
            }
            try checkDepth(call)
            try budget.charge(Cost.object)
            try push(.object(PickleObject(callee: call[0], arguments: arguments, offset: reader.place(of: start))))
        case UInt8(ascii: "b"):
            let state = try pop(1)
            guard stack.count > base, case .object(let object)? = stack.last, object.state == nil else {
                throw error("expected an object without state to give it to, found \(top)")
            }
            try prepareAddition(of: state, to: .object(object))
            object.setState(state[0])
        case UInt8(ascii: "Q"):
            let identifier = try pop(1)
            guard case .tuple(let parts) = identifier[0] else {
                throw error("expected a tuple as persistent identifier, found \(identifier[0])")
            }
            try budget.charge(Cost.slot)
            externals.append(parts)
            try push(.external(parts))
        default: return false
        }
        return true
    }
}

// MARK: - Their parts

extension PickleReader {
    private func error(_ reason: String) -> FormatError { reader.error(reason, at: start) }

    /// The first place of the stack above the last mark.
    private var base: Int { marks.last ?? 0 }

    /// The stack's top in words.
    private var top: String { stack.count > base ? stack.last?.description ?? "none" : "none" }

    private mutating func push(_ value: PickleValue) throws {
        try budget.charge(Cost.slot)
        stack.append(value)
    }

    private mutating func pop(_ count: Int) throws -> [PickleValue] {
        guard stack.count - base >= count else { throw error("expected \(count) values, found fewer") }
        return cut(count)
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw error("expected a mark, found none") }
        return cut(stack.count - mark)
    }

    /// Takes values off the stack, one at a time. As long as anything else holds the stack, a slice of it or a copy of the
    /// reader, taking one off is to copy it whole; and pickles ask for it at every other byte.
    private mutating func cut(_ count: Int) -> [PickleValue] {
        var values: [PickleValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(stack.removeLast()) }
        values.reverse()
        return values
    }

    /// Refuses values that are already as deep as they may be, before they go one level deeper.
    private func checkDepth(_ values: [PickleValue]) throws {
        guard values.allSatisfy({ $0.depth < dialect.deepest }) else {
            throw error("expected at most \(dialect.deepest) levels, found more")
        }
    }

    /// Precondition: the values are off the stack already. A call of a method that does not change the reader copies it
    /// before its arguments are evaluated.
    private func sequence(_ values: [PickleValue]) throws -> PickleSequence {
        try checkDepth(values)
        try budget.charge(Cost.container + values.count * Cost.slot)
        return PickleSequence(values)
    }

    private func dictionary() throws -> PickleDictionary {
        try budget.charge(Cost.container)
        return PickleDictionary()
    }

    private mutating func extendSequence(by values: [PickleValue]) throws {
        guard stack.count > base else { throw error("expected a list to append to, found none") }
        let target = stack[stack.count - 1]
        let sequence: PickleSequence
        switch target {
        case .list(let values), .set(let values): sequence = values
        default: throw error("expected a list to append to, found \(target)")
        }
        try prepareAddition(of: values, to: target)
        try budget.charge(values.count * Cost.slot)
        sequence.append(values)
    }

    private mutating func extendDictionary(by values: [PickleValue]) throws {
        guard stack.count > base, values.count.isMultiple(of: 2) else {
            throw error("expected a dictionary and pairs for it, found others")
        }
        let target = stack[stack.count - 1]
        switch target {
        case .dictionary, .object: try prepareAddition(of: values, to: target)
        default: throw error("expected a dictionary and pairs for it, found \(target)")
        }
        try budget.charge(values.count * Cost.slot)
        for index in stride(from: 0, to: values.count, by: 2) {
            switch values[index] {
            case .list, .set, .dictionary: throw error("expected a key without parts, found \(values[index])")
            default: break
            }
            switch target {
            case .dictionary(let dictionary): dictionary.append(key: values[index], value: values[index + 1])
            case .object(let object): object.append(key: values[index], value: values[index + 1])
            default: break
            }
        }
    }

    /// A container that something holds stays as it is: so none can come to hold itself.
    private func prepareAddition(of values: [PickleValue], to target: PickleValue) throws {
        try checkDepth(values)
        guard !target.isSealed, !values.contains(where: { $0.isSame(as: target) }) else {
            throw error("expected a container that nothing holds yet, found \(target) that is held")
        }
    }

    private mutating func pushGlobal(module: String, name: String) throws {
        for part in [module, name] {
            // What is shown in a message must be a name, and no control sequence or megabyte.
            guard (1...200).contains(part.utf8.count), part.utf8.allSatisfy(Self.isInName) else {
                throw error("expected a name of letters, digits, dots and underscores, found another")
            }
        }
        guard dialect.allows(module, name) else {
            throw error("expected \(dialect.purpose), found \(module).\(name), which is not executed")
        }
        try budget.charge(Cost.global)
        try push(.global(PickleGlobal(module: module, name: name)))
    }

    private static func isInName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }

    private mutating func memorize(_ index: UInt64) throws {
        guard stack.count > base, let value = stack.last else {
            throw error("expected a value to remember, found none")
        }
        try budget.charge(Cost.memo)
        memo[index] = value
    }

    private mutating func recall(_ index: UInt64) throws {
        guard let value = memo[index] else { throw error("expected a remembered value, found none at \(index)") }
        try push(value)
    }

    private mutating func payload(lengthBytes: Int, of purpose: String) throws -> ArraySlice<UInt8> {
        let length = try reader.littleEndian(lengthBytes, for: "length")
        guard let count = Int(exactly: length) else { throw error("expected a length, found \(length)") }
        return reader.bytes[try reader.take(count, for: purpose)]
    }

    private mutating func pushBytes(_ bytes: ArraySlice<UInt8>) throws {
        try budget.charge(Cost.bytes)
        try push(.bytes(PickleBytes(bytes)))
    }

    private mutating func pushText(_ bytes: ArraySlice<UInt8>) throws {
        guard (try? UTF8Span(validating: bytes.span)) != nil else { throw error("expected UTF-8, found other bytes") }
        try budget.charge(Cost.bytes)
        try push(.text(PickleBytes(bytes)))
    }

    private mutating func pushLong(_ bytes: ArraySlice<UInt8>) throws {
        guard bytes.count > 8 else {
            let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
            return try push(.integer(bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }))
        }
        try budget.charge(Cost.bytes)
        try push(.wideInteger(PickleBytes(bytes)))
    }

    /// An integer as python 2 writes those of more than 32 bits.
    private func decimal(_ line: [UInt8]) throws -> PickleValue {
        guard line.count <= 20, let value = Int(String(decoding: line, as: UTF8.self)) else {
            throw error("expected an integer of 64 bits, found another text")
        }
        return .integer(value)
    }
}

import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct ConfigurationTests {
    private func parse(_ text: String) throws -> ConfigurationValue {
        try ConfigurationValue.parse(text, file: "f.yaml")
    }

    @Test(
        arguments: [
            ("", .null), ("~", .null), ("null", .null), ("true", .bool(true)), ("False", .bool(false)),
            ("yes", .string("yes")), ("12", .integer(12)), ("-7", .integer(-7)), ("+3", .integer(3)),
            ("0x1F", .integer(31)), ("0o17", .integer(15)), ("012", .integer(12)), ("1e-4", .real(1e-4)),
            ("1.", .real(1)), (".5", .real(0.5)), ("-.5E+2", .real(-50)), ("1.e2", .real(100)),
            (".inf", .real(.infinity)),
            ("-.inf", .real(-.infinity)), ("99999999999999999999", .real(1e20)), ("1/3", .string("1/3")),
            ("0x", .string("0x")), ("0x-1", .string("0x-1")), ("1e", .string("1e")), (".", .string(".")),
            ("1.2.3", .string("1.2.3")), ("inf", .string("inf")), ("nan", .string("nan")),
            ("ask:ASK_5a", .string("ask:ASK_5a")),
        ] as [(String, ConfigurationValue.Content)])
    func scalarsFollowTheCoreSchema(text: String, content: ConfigurationValue.Content) {
        #expect(ConfigurationValue(scalar: text).content == content)
    }

    @Test func filesBecomeValuesWithLines() throws {
        let value = try parse("# comment\nlr: 1e-1\nsteps:\n  - crop: {padding: 4}\n  - '12'\nname: null\n")
        let crop: ConfigurationValue = .mapping(["crop": .mapping(["padding": 4])])
        let steps: ConfigurationValue = [crop, "12"]
        let expected: ConfigurationValue = .mapping(["lr": 0.1, "steps": steps, "name": .init(.null)])
        #expect(value == expected)
        #expect(value["lr"]?.line == 2)
        #expect(value["steps"]?.list?[0]["crop"]?["padding"]?.line == 4)
        #expect(try parse("") == ConfigurationValue(.null))
        #expect(try parse("a: &x [1, 2]\nb: *x\n")["b"] == [1, 2])
    }

    @Test(
        arguments: [
            ("a: 1\na: 2\n", nil, "distinct keys"), ("a: [1\nb: 2\n", 2, "expected YAML"),
            ("a: !!python/object:os.system x\n", 1, "expected a value without a tag"),
            ("[1]: 2\n", 1, "expected a word as key"), ("a: *b\n", 1, "undefined alias"),
            ("a: 1\n---\nb: 2\n", 2, "another document"), ("a: \u{1}\n", nil, "expected YAML"),
            ("a:\n\t- 1\n", 2, "expected YAML"),
        ] as [(String, Int?, String)])
    func wrongTextIsNamedWithItsLine(text: String, line: Int?, reason: String) {
        do {
            _ = try parse(text)
            Issue.record("expected an error")
        } catch let error as ConfigurationError {
            #expect(error.reason.contains(reason))
            if let line { #expect(error.line == line) }
            #expect(error.description.hasPrefix("f.yaml:"))
        } catch {
            Issue.record("expected a ConfigurationError, found \(error)")
        }
    }

    @Test func bombsAreRefused() {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let deep = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        let deeper = String(repeating: "[", count: 100_000)
        let long = String(repeating: "- 1\n", count: 1 << 17)
        for text in [bomb, deep, deeper, long] { #expect(throws: ConfigurationError.self) { try parse(text) } }
    }

    @Test func whatIsEmittedIsReadAgain() throws {
        let crop: ConfigurationValue = .mapping(["size": [32, 32]])
        let nested: ConfigurationValue = [.mapping(["crop": crop, "b": 1]), [.mapping(["a": 1])]]
        let value = ConfigurationValue.mapping([
            "empty": .mapping([:]), "none": [], "text": "true", "number": "12", "colon": "a: b",
            "quote": "say \"ü\"\n#",
            "dash": "-", "real": 1.0, "small": 1e-30, "big": 1e300, "negative": -3, "flag": true, "null": .init(.null),
            "list": [1, 2.5, "x y"], "nested": nested, "12": "key", "": "",
        ])
        #expect(try parse(value.yaml) == value)
        let block: ConfigurationValue = .mapping(["a": 1, "b": [.mapping(["c": "d"])]])
        #expect(block.yaml == "a: 1\nb:\n  -\n    c: d\n")
        let list: ConfigurationValue = [1, "a"]
        #expect(list.yaml == "[1, a]\n")
    }

    @Test func damageIsRefusedOrRead() {
        let text = "lr: 1e-1\nsteps: &s\n  - crop: {padding: 4}\n  - '12'\nname: \"a\\n\"\nother: *s\n"
        let surprises = Damage.flip(Array(text.utf8), for: .milliseconds(300), expecting: ConfigurationError.self) {
            _ = try parse(String(decoding: $0, as: UTF8.self))
        }
        #expect(surprises.isEmpty)
    }

    @Test func filesAreReadAndMissingOnesNamed() throws {
        let directory = try TemporaryDirectory()
        #expect(try ConfigurationValue.read(try directory.write(Array("a: 1".utf8), to: "f")) == .mapping(["a": 1]))
        #expect(throws: InputNotFound.self) { try ConfigurationValue.read(directory.path + "/none") }
        expectFormatError("expected UTF-8") { _ = try ConfigurationValue.read(try directory.write([0xFF], to: "g")) }
    }
}

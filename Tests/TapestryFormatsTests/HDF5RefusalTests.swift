import TapestryFormats
import TapestryTestSupport
import Testing

/// What h5py writes and Tapestry does not read is refused by name (Scripts/fixtures/hdf5.py).
@Suite struct HDF5RefusalTests {
    @Test(
        arguments: [
            ("shuffle", "dataset 'w': expected no filter or deflate (gzip) alone, found shuffle"),
            ("fletcher32", "dataset 'w': expected no filter or deflate (gzip) alone, found fletcher32"),
            ("lzf", "dataset 'w': expected no filter or deflate (gzip) alone, found lzf"),
            ("soft-link", "expected 'link' to be a group or a dataset, found a soft link"),
            ("new-soft-link", "expected 'link' to be a group or a dataset, found a soft link"),
            ("external-link", "expected 'link' to be a group or a dataset, found an external link"),
            ("external-file", "dataset 'w': expected values in this file, found them in external files"),
            ("compound", "dataset 'w': expected integers or floating-point numbers, found compound values"),
            ("complex", "dataset 'w': expected integers or floating-point numbers, found compound values"),
            ("boolean", "found enumerated values (Python writes booleans so)"),
            ("string", "expected integers or floating-point numbers, found strings"),
            ("variable-string", "expected integers or floating-point numbers, found values of variable length"),
            ("long-double", "expected IEEE 754 numbers of 2, 4 or 8 bytes or bfloat16, found others of 16 bytes"),
            ("null", "dataset 'w': expected a shape, found the empty dataspace"),
            ("named-type", "dataset 'w': expected a dataset with a shape, a type and a layout, found one without"),
            ("shared-type", "expected the datatype message here, found it shared with other objects"),
            ("unwritten", "dataset 'w': expected values, found a dataset that none were ever written to"),
            ("unwritten-chunks", "dataset 'w': expected 2 chunks, found 1"),
            ("large-integer", "dataset 'w': expected integers below 2^63, found 9223372036854775808"),
            ("second-link", "expected each group once, found 'b/' again"),
            ("cycle", "expected each group once, found 'a/b/c/' again"),
            ("dense", "found many in a fractal heap"),
            ("new-chunks", "dataset 'w': expected chunks in a tree of version 1, found a newer index"),
            ("user-block", "expected the HDF5 signature"),
            ("virtual", "dataset 'w': expected values in this file, found a virtual dataset"),
        ] as [(String, String)])
    func isRefusedByName(name: String, reason: String) {
        do {
            _ = try HDF5File.read(Fixture.path("hdf5/refused-\(name).h5"))
            Issue.record("expected an error")
        } catch let error as FormatError {
            #expect(error.reason.contains(reason))
            #expect(error.offset != nil)
        } catch {
            Issue.record("expected a FormatError, found \(error)")
        }
    }
}

/// Model files are a format like the others to those who read any of them. They are a target of their own for those who
/// read no other: programs that only run networks.
@_exported import TapestryModelFile

import TapestryCommandLine

Tapestry.main(with: CommandsOnLibtorch())

import TapestryCommandLine

Tapestry.main()

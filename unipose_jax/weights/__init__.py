"""The weights that ship with the package, and the format they are kept in."""

"""One module or package per data set, each reading the original files."""

"""A report of an output folder for people: static HTML pages that open from disk and fetch nothing from anywhere."""

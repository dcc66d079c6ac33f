"""The second reader: the language model writes the values of a report down, held to a grammar (DESIGN, section 4)."""

"""How well extractions agree with annotations."""

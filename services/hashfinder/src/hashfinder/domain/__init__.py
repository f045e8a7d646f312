"""Plain values and rules of the search. Imports the standard library alone."""

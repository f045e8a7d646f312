"""Plain values and rules of the search. Standard library only; imports no other room."""

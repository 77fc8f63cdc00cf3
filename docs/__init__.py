"""Pages for users, and the program that writes the reference pages among them."""

"""Links: what carries packets and messages, one module for each kind of line."""

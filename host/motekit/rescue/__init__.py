"""What is wrong with a board, whatever state it is in, and how it is mended without a loss."""

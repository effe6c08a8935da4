"""What looks into files: the decoder process and all that it imports, and who starts it."""

"""Files: kinds, formats, references, the object storage."""

"""Routes for those who run the system: health, housekeeping."""

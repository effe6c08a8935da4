"""Files in: uploads, jobs, their events, many jobs at once."""
